"""The big cluster in small; `tests/cluster/scale.py` is the big one, and measures."""

from cluster.ingress_process import Ingress
from cluster.scale import Scale, Size

SIZE = Size(ingresses=120, secrets=12, endpoint_changes=30, probes=30, churn_seconds=3)


def test_every_change_is_served_and_no_answer_is_wrong(cluster, possible):
    scale = Scale(cluster, SIZE)
    scale.fill()
    cppx = Ingress(cluster, cluster.account_kubeconfig())
    try:
        good = scale.run(cppx)
    finally:
        cppx.stop()
        cluster.kubectl("delete", "namespace", "scale", "--wait=false")
    assert good, "\n".join(scale.problems)
    measured = [what for what, _ in scale.rows]
    assert len([what for what in measured if "from the API server's answer" in what]) == 2, measured
