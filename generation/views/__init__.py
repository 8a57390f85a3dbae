"""Pages of the studio in the admin: planning, a job, reviewing."""
