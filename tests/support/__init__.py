"""Shared by all black-box tests: the cppx process, raw HTTP clients, scripted backends, manifests, certificates."""
