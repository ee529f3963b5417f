"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler in a network namespace."""

import base64
import http.client
import json
import secrets
import ssl

import yaml

from cluster.network import POD_RANGE
from cluster.pki import Authority, signing_key
from cluster.process import Process
from cluster.programs import program
from support.waiting import wait_for

API_PORT = 6443
SERVICE_RANGE = "10.96.0.0/16"
_NAMES = ("kubernetes.default.svc", "kubernetes.default", "kubernetes", "localhost")
_ADDRESSES = ("127.0.0.1", "10.96.0.1", "10.0.0.1")


def _encoded(content):
    return base64.b64encode(content).decode()


class ApiError(Exception):
    """The API server refused a request."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


class ControlPlane:
    """A running control plane. `etcd` is the program to use, by default the one that was built with it."""

    def __init__(self, network, folder, etcd=None):
        self.network = network
        self.folder = folder
        self.authority = Authority()
        self.token = secrets.token_hex(16)
        self._etcd_program = etcd or program("etcd")
        self.context = ssl.create_default_context(cadata=self.authority.pem.decode())

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_files()
        self.kubeconfig = self.write_kubeconfig("admin", {"token": self.token})
        self.etcd = self._process("etcd", self._etcd_program, self._etcd_flags()).start()
        self.api_server = self._process("kube-apiserver", program("kube-apiserver"), self._api_flags())
        self.start_api_server()
        self.controllers = self._process(
            "kube-controller-manager", program("kube-controller-manager"), self._controller_flags()
        ).start()
        self.scheduler = self._process("kube-scheduler", program("kube-scheduler"), self._client_flags()).start()
        return self

    def processes(self):
        names = ("scheduler", "controllers", "api_server", "etcd")
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def stop(self):
        """Ends everything at once: there is no state worth keeping."""
        for process in self.processes():
            if process.running():
                process.kill()

    def start_api_server(self):
        """Starts the API server (again) and waits until it is ready."""
        self.api_server.start()
        wait_for(self._api_ready, 60, "the API server to be ready", every=0.1)

    def _api_ready(self):
        self.etcd.check()
        self.api_server.check()
        try:
            return self.request("GET", "/readyz", parse=False) == "ok"
        except (OSError, ApiError, http.client.HTTPException):
            return False

    def compact(self):
        """Makes etcd forget all revisions but the newest, so that no watch can go on from an older one."""
        revision = self._ask_etcd("range", {"key": _encoded(b"none")})["header"]["revision"]
        self._ask_etcd("compaction", {"revision": revision, "physical": True})

    def _ask_etcd(self, action, body):
        with self.network.entered():
            connection = http.client.HTTPConnection("127.0.0.1", 2379, timeout=20)
            connection.connect()
        try:
            connection.request("POST", f"/v3/kv/{action}", json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        assert response.status == 200, text
        return json.loads(text)

    def watch(self, path, seconds):
        """Yields the events (type, object) of a resource from now on, for some seconds."""
        connection, response = self.open_watch(path, seconds)
        try:
            for line in response:
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()

    def open_watch(self, path, seconds):
        """Connection and response of a watch: a line for each event of a resource from now on, for some seconds."""
        version = self.request("GET", path)["metadata"]["resourceVersion"]
        connection = self._connect()
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds={int(seconds)}"
        connection.request("GET", path + query, headers=self._authorization())
        return connection, connection.getresponse()

    def _connect(self):
        with self.network.entered():
            connection = http.client.HTTPSConnection("127.0.0.1", API_PORT, timeout=20, context=self.context)
            connection.connect()
        return connection

    def _authorization(self):
        return {"Authorization": f"Bearer {self.token}"}

    def request(self, method, path, body=None, content_type="application/json", parse=True):
        """One request to the API server as administrator; the parsed answer. Raises ApiError."""
        connection = self._connect()
        headers = {**self._authorization(), "Content-Type": content_type}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 300:
            raise ApiError(response.status, text)
        return json.loads(text) if parse else text

    def write_kubeconfig(self, name, user, server=f"https://127.0.0.1:{API_PORT}"):
        """Writes a kubeconfig for `user` (its entry in the format of kubeconfig files) and returns its path."""
        authority = {"server": server, "certificate-authority-data": _encoded(self.authority.pem)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": authority}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def certificate_kubeconfig(self, name, group):
        """A kubeconfig whose user shows a client certificate."""
        certificate, key = self.authority.client(name, group)
        user = {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)}
        return self.write_kubeconfig(name, user)

    def _process(self, name, path, flags):
        return Process(name, self.network, self.folder / f"{name}.log", [path, *flags])

    def _file(self, name):
        return self.folder / name

    def _write_files(self):
        certificate, key = self.authority.server(_NAMES, _ADDRESSES)
        self._file("ca.crt").write_bytes(self.authority.pem)
        self._file("api.crt").write_bytes(certificate)
        self._file("api.key").write_bytes(key)
        self._file("accounts.key").write_bytes(signing_key())
        self._file("audit.yaml").write_text(yaml.safe_dump(self._audit_policy()))
        self._file("tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')

    @staticmethod
    def _audit_policy():
        """Written down is who was served what, of service accounts in namespaces of cppx, without contents."""
        accounts = {"level": "Metadata", "userGroups": ["system:serviceaccounts:cppx-system"]}
        return {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [accounts, {"level": "None"}],
        }

    def requests_of(self, account):
        """(resource, verb) of each request that the API server has granted to an account of cppx's namespace."""
        found = set()
        for line in self._file("audit.log").read_text().splitlines():
            event = json.loads(line)
            if event["user"]["username"] != f"system:serviceaccount:cppx-system:{account}":
                continue
            target = event.get("objectRef", {})
            resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
            if resource and event["responseStatus"]["code"] != 403:
                found.add((resource, event["verb"]))
        return found

    def _etcd_flags(self):
        client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        return [
            f"--data-dir={self._file('etcd')}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _api_flags(self):
        return [
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--secure-port={API_PORT}",
            "--advertise-address=10.0.0.1",
            f"--tls-cert-file={self._file('api.crt')}",
            f"--tls-private-key-file={self._file('api.key')}",
            f"--client-ca-file={self._file('ca.crt')}",
            f"--token-auth-file={self._file('tokens.csv')}",
            "--authorization-mode=RBAC,Node",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._file('accounts.key')}",
            f"--service-account-signing-key-file={self._file('accounts.key')}",
            "--allow-privileged=true",
            f"--audit-policy-file={self._file('audit.yaml')}",
            f"--audit-log-path={self._file('audit.log')}",
            "--endpoint-reconciler-type=none",
        ]

    def _client_flags(self):
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]

    def _controller_flags(self):
        return [
            *self._client_flags(),
            f"--service-account-private-key-file={self._file('accounts.key')}",
            f"--root-ca-file={self._file('ca.crt')}",
            f"--cluster-cidr={POD_RANGE}",
            "--allocate-node-cidrs=true",
            "--node-cidr-mask-size=20",
            "--node-monitor-grace-period=1h",
        ]
