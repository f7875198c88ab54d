"""Runners: where trials are trained, in this process or in Ray's workers."""
