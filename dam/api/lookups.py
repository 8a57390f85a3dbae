"""How an address names one thing of many."""

from django.urls.converters import UUIDConverter

# For `lookup_value_regex`: any other 36 characters are no address, and never a question to the database.
PUBLIC_ID = UUIDConverter.regex
