"""A whole test cluster: control plane, fake kubelet, pods' server, and kubectl to use it with."""

import contextlib
import itertools
import json
import os
import pathlib

import yaml

from cluster.control_plane import ApiError, ControlPlane
from cluster.network import NODE_ADDRESSES, Network
from cluster.process import Process
from cluster.programs import built, program
from support.client import Connection, request
from support.waiting import scaled, wait_for

CPPX = "app/cppx"
KUBELET = "tests/cluster/fake_kubelet/cppx_fake_kubelet"
POD_SERVER = "tests/cluster/pod_server/cppx_pod_server"
POD_PORTS = (80, 8080)
TERMINATING_SECONDS = int(scaled(3))
# What the fake kubelet reads.
READY_ANNOTATION = "cppx.io/test-ready"
ADDRESS_ANNOTATION = "cppx.io/test-address"
RBAC = pathlib.Path(__file__).with_name("rbac.yaml")


def missing_programs():
    """The programs of the build tree that a cluster needs and that are not there."""
    return [path for path in (CPPX, KUBELET, POD_SERVER) if not os.access(built(path), os.X_OK)]


class KubectlError(Exception):
    """kubectl ended with another code than 0."""


class Cluster:
    """A running cluster in a network namespace of its own. A context manager: everything is gone at the end."""

    running = []

    def __init__(self, folder, etcd=None, network=None):
        self.folder = pathlib.Path(folder)
        self.network = network or Network()
        self.control_plane = ControlPlane(self.network, self.folder, etcd)
        self.processes = []
        self._environment = {**os.environ, "HOME": str(self.folder)}
        self._numbers = itertools.count(1)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def start(self):
        Cluster.running.append(self)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network.create()
        self.control_plane.start()
        self.pod_server = self.process(
            "pod-server", [built(POD_SERVER), *(f"--port={port}" for port in POD_PORTS)]
        )
        flags = [f"--kubeconfig={self.control_plane.kubeconfig}", f"--terminating-seconds={TERMINATING_SECONDS}"]
        self.kubelet = self.process("fake-kubelet", [built(KUBELET), *flags])
        for number, address in enumerate(NODE_ADDRESSES, 1):
            self._add_node(f"node-{number}", address)
        wait_for(self._nodes_ready, 30, "the nodes to be ready", every=0.1)
        self.kubectl("apply", "-f", RBAC)
        wait_for(self._default_account, 30, "the default service account", every=0.1)
        return self

    def stop(self):
        for process in reversed(self.processes):
            process.stop()
        self.control_plane.stop()
        left = self.network.delete()
        Cluster.running.remove(self)
        assert not left, f"processes were left in the namespace: {left}"

    def process(self, name, command, environment=None, stdout=True):
        """Starts a program in the namespace; it ends with the cluster."""
        process = Process(name, self.network, self.folder / f"{name}.log", command, environment, stdout)
        self.processes.append(process)
        return process.start()

    def check(self):
        """Fails when a part of the cluster has died."""
        for process in (self.pod_server, self.kubelet, *self.control_plane.processes()):
            process.check()

    def kubectl(self, *arguments, namespace=None, stdin=None, check=True):
        """Runs kubectl and returns what it printed."""
        command = [program("kubectl"), f"--kubeconfig={self.control_plane.kubeconfig}"]
        if namespace:
            command.append(f"--namespace={namespace}")
        result = self.network.run(*command, *arguments, input=stdin, env=self._environment)
        if check and result.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(map(str, arguments))}: {result.stderr.strip()}")
        return result.stdout

    def apply(self, *objects, namespace=None):
        """kubectl apply of objects in their YAML form."""
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects), namespace=namespace)

    def account_token(self):
        """A token of the service account of rbac.yaml."""
        return self.kubectl("create", "token", "cppx", "--duration=10h", namespace="cppx-system").strip()

    def account_kubeconfig(self):
        """A kubeconfig with the rights of rbac.yaml and nothing else."""
        return self.control_plane.write_kubeconfig("cppx", {"token": self.account_token()})

    def curl(self, *arguments):
        """Runs curl in the namespace and returns what it printed."""
        result = self.network.run("curl", "--silent", "--show-error", "--max-time", "10", *arguments)
        assert result.returncode == 0, f"curl {' '.join(arguments)}: {result.stderr.strip()}"
        return result.stdout

    def api(self, method, path, body=None, **options):
        """A request to the API server as administrator."""
        return self.control_plane.request(method, path, body, **options)

    def connect(self, port, address="127.0.0.1"):
        """A plain connection inside the namespace."""
        with self.network.entered():
            return Connection(port, address)

    def connect_tls(self, port, server_name=None, context=None):
        with self.network.entered():
            return Connection.tls(port, server_name, context)

    def ask(self, port, host, target="/", address="127.0.0.1"):
        """The response to one GET on a connection of its own."""
        with self.connect(port, address) as connection:
            return connection.ask(request(target=target, host=host, headers=[("Connection", "close")]))

    def pod_is_gone(self, address):
        """From now on nothing answers at a pod's address, as when its process has ended."""
        with self.connect(POD_PORTS[0]) as connection:
            assert connection.ask(request("PUT", f"/gone/{address}", "control")).status == 200

    def pod_is_back(self, address):
        with self.connect(POD_PORTS[0]) as connection:
            assert connection.ask(request("PUT", f"/back/{address}", "control")).status == 200

    @contextlib.contextmanager
    def space(self):
        """A Kubernetes namespace that lasts as long as the block."""
        space = Space(self, f"space-{next(self._numbers)}")
        self.kubectl("create", "namespace", space.name)
        yield space
        self.kubectl("delete", "namespace", space.name, "--wait=false")

    def _add_node(self, name, address):
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "annotations": {ADDRESS_ANNOTATION: address}},
        }
        self.api("POST", "/api/v1/nodes", node)

    def _nodes_ready(self):
        self.check()
        nodes = self.api("GET", "/api/v1/nodes")["items"]
        return all(
            any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
            and node["spec"].get("podCIDR")
            and not node["spec"].get("taints")
            for node in nodes
        )

    def _default_account(self):
        try:
            return self.api("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return None


class Space:
    """A Kubernetes namespace with short ways to put objects into it."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments, **options):
        return self.cluster.kubectl(*arguments, namespace=self.name, **options)

    def apply(self, *objects):
        """kubectl apply of objects in their YAML form."""
        return self.cluster.apply(*objects, namespace=self.name)

    def delete(self, kind, name):
        return self.kubectl("delete", kind, name)

    def get(self, kind, name=None, selector=None):
        """An object, or the list of them, parsed."""
        arguments = [kind] + ([name] if name else []) + ([f"--selector={selector}"] if selector else [])
        found = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found if name else found["items"]

    def scale(self, deployment, replicas):
        self.kubectl("scale", f"deployment/{deployment}", f"--replicas={replicas}")

    def pods(self, app):
        """Addresses of the pods of an app that are ready and not being deleted."""
        return {
            pod["status"]["podIP"]
            for pod in self.get("pods", selector=f"app={app}")
            if "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
        }

    def wait_for_pods(self, app, count):
        """Waits until exactly `count` pods of an app are ready and returns their addresses.

        If there is a Service of that name, they are its endpoints by then: the controller that makes EndpointSlices may need
        half a minute to find a restarted API server.
        """
        served = any(service["metadata"]["name"] == app for service in self.get("services"))

        def ready():
            pods = self.pods(app)
            return _sized(pods, count) and (not served or self.endpoints(app) == pods) and [pods]

        return wait_for(ready, 60, f"{count} pods of {app}", every=0.1)[0]

    def endpoints(self, service):
        """Ready addresses in the EndpointSlices of a Service."""
        slices = self.get("endpointslices", selector=f"kubernetes.io/service-name={service}")
        return {
            address
            for piece in slices
            for endpoint in piece["endpoints"] or ()
            if endpoint["conditions"].get("ready", True)
            for address in endpoint["addresses"]
        }

    def wait_for_endpoints(self, service, count):
        """Waits until a Service has exactly `count` ready endpoints: they come some time after the pods."""
        wait_for(lambda: _sized(self.endpoints(service), count), 60, f"{count} endpoints of {service}", every=0.1)


def _sized(found, count):
    return [found] if len(found) == count else None
