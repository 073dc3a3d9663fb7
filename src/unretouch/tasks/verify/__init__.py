"""Verify: did it memorise, is the texture back, does it hold on unseen portraits?"""
