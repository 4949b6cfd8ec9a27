"""``portero doctor``: everything that Portero needs, looked at one by one."""
