"""The classic commands train.py and test.py: their flags, option files and words."""
