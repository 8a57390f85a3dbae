"""Which Atelier this is: CHANGELOG.md tells what each version changed."""

VERSION = "0.1.0"
