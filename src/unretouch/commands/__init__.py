"""The subcommands of `unretouch`, one file each: flags in, one call of a task."""
