"""A real Kubernetes control plane in a network namespace, for tests: see conftest.py for the fixtures."""
