"""Where the programs of the control plane are, and which versions."""

import os
import pathlib
import re
import shutil
import subprocess

from support.go_programs import ARCHITECTURE, cache_folder

KUBERNETES = "1.36.3"
# The version that Kubernetes 1.36.3 itself is built and tested with.
ETCD = "3.6.8"

PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}

ROOT = pathlib.Path(__file__).resolve().parents[2]


def control_plane_folder():
    """Where build-control-plane puts the programs."""
    return cache_folder() / f"kubernetes-v{KUBERNETES}-linux-{ARCHITECTURE}"


def program(name):
    """The path of one program of the control plane."""
    return control_plane_folder() / name


def missing():
    """Names of the programs that are not built yet."""
    return [name for name in PACKAGES if not os.access(program(name), os.X_OK)]


def build_folder():
    """The build tree whose cppx, cppx_fake_kubelet and cppx_pod_server are used: CPPX_BUILD_DIR or build/dev."""
    return ROOT / os.environ.get("CPPX_BUILD_DIR", "build/dev")


def built(relative):
    """A program of the build tree."""
    return build_folder() / relative


def old_etcd():
    """An etcd before 3.4.25, whose API server has no streaming lists, if the system has one (Debian 12 does)."""
    path = shutil.which("etcd")
    if path is None:
        return None
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", shown)
    return pathlib.Path(path) if found and tuple(map(int, found.groups())) < (3, 4, 25) else None
