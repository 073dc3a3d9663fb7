"""Many runs of one experiment: what varies, what each is called, where they run."""
