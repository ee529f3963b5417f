"""Several cppx that are replicas of one another: each plays one of the pods of a Deployment."""

import contextlib
import itertools
import json

from cluster.ingress_process import Ingress
from cluster.objects import deployment
from support.waiting import wait_for

NAMESPACE = "cppx-system"
_numbers = itertools.count(1)


class Replicas:
    """`count` pods in cppx's namespace and a cppx for each. A context manager."""

    def __init__(self, cluster, count, kubeconfig, flags=(), flags_of=None, kubeconfig_of=None):
        self.cluster = cluster
        self.count = count
        self.name = f"replicas-{next(_numbers)}"
        self._kubeconfig = kubeconfig_of or (lambda number: kubeconfig)
        self._flags = list(flags)
        self._flags_of = flags_of or (lambda number: [])
        self.running = []

    def __enter__(self):
        self.cluster.apply(deployment(self.name, self.count), namespace=NAMESPACE)
        wait_for(lambda: len(self.pods()) == self.count, 60, f"{self.count} pods of {self.name}", every=0.1)
        for number, pod in enumerate(sorted(self.pods()), 1):
            flags = [f"--election-id={self.name}", *self._flags, *self._flags_of(number)]
            cppx = Ingress(self.cluster, self._kubeconfig(number), flags, environment={"POD_NAME": pod})
            cppx.pod = pod
            self.running.append(cppx)
            cppx.start()
        return self

    def __exit__(self, *_):
        try:
            for cppx in list(self.running):
                self.stop(cppx)
        finally:
            with contextlib.suppress(ValueError):
                for cppx in self.running:
                    Ingress.running.remove(cppx)
            self.cluster.kubectl("delete", "deployment", self.name, "--wait=false", namespace=NAMESPACE)

    def stop(self, cppx):
        self.running.remove(cppx)
        cppx.stop()

    def kill(self, cppx):
        """SIGKILL: it does not come to say good-bye."""
        self.running.remove(cppx)
        cppx.forget()
        cppx.process.kill()

    def remove_pod_of(self, cppx):
        """The Deployment gets one pod less: that one."""
        cheap = "controller.kubernetes.io/pod-deletion-cost=-100"
        self.cluster.kubectl("annotate", "pod", cppx.pod, cheap, namespace=NAMESPACE)
        self.count -= 1
        self.cluster.kubectl("scale", f"deployment/{self.name}", f"--replicas={self.count}", namespace=NAMESPACE)
        wait_for(lambda: cppx.pod not in self.pods() and len(self.pods()) == self.count, 30, "it to go", every=0.1)

    def pods(self):
        """Names of the ready pods, with the address of the node of each."""
        listed = self.cluster.kubectl(
            "get", "pods", f"--selector=app={self.name}", "--output=json", namespace=NAMESPACE
        )
        return {
            pod["metadata"]["name"]: self.node_address(pod["spec"]["nodeName"])
            for pod in json.loads(listed)["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
        }

    def node_address(self, name):
        node = self.cluster.api("GET", f"/api/v1/nodes/{name}")
        return next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")

    def lease(self):
        """The spec of the Lease; empty before there is one."""
        text = self.cluster.kubectl(
            "get", "lease", self.name, "--ignore-not-found", "--output=json", namespace=NAMESPACE
        )
        return json.loads(text)["spec"] if text else {}

    def wait_for_leader(self, other_than=None, seconds=20):
        """Waits for a leader and returns it."""

        def leader():
            holder = self.lease().get("holderIdentity")
            return next((c for c in self.running if c.pod == holder and c is not other_than), None)

        return wait_for(leader, seconds, "a leader", every=0.05)
