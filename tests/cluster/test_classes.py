"""Which Ingresses are cppx's."""

import pytest

from cluster.objects import deployment, ingress, ingress_class, path, service

LEGACY = "kubernetes.io/ingress.class"


@pytest.fixture
def web(space):
    space.apply(deployment("web", replicas=1), service("web"))
    space.wait_for_pods("web", 1)
    return space


@pytest.fixture
def make_class(cluster):
    """Creates IngressClasses, which belong to no namespace, for one test."""
    made = []

    def make(name, **options):
        cluster.apply(ingress_class(name, **options))
        made.append(name)

    yield make
    for name in made:
        cluster.kubectl("delete", "ingressclass", name)


def expect_ignored(cppx, space, host):
    """A later Ingress for another host is served, so cppx has seen, and left, the one for `host`."""
    marker = f"marker.{host}"
    space.apply(ingress("marker", {marker: [path("web")]}))
    cppx.wait_for_status(marker, 200)
    assert cppx.status(host) == 404
    space.delete("ingress", "marker")
    cppx.wait_for_status(marker, 404)


def test_an_ingress_of_a_foreign_class_is_left_alone(web, cppx, host, make_class):
    make_class("foreign", controller="example.test/other-controller")
    web.apply(ingress("web", {host: [path("web")]}, class_name="foreign"))
    expect_ignored(cppx, web, host)


def test_an_ingress_of_a_class_that_does_not_exist_waits_for_it(web, cppx, host, make_class):
    web.apply(ingress("web", {host: [path("web")]}, class_name="later"))
    expect_ignored(cppx, web, host)
    make_class("later")
    cppx.wait_for_status(host, 200)


def test_a_deleted_class_takes_its_ingresses_along(web, cppx, host, cluster):
    cluster.apply(ingress_class("fleeting"))
    web.apply(ingress("web", {host: [path("web")]}, class_name="fleeting"))
    cppx.wait_for_status(host, 200)
    cluster.kubectl("delete", "ingressclass", "fleeting")
    cppx.wait_for_status(host, 404)


def test_the_class_of_an_ingress_may_change_while_it_is_served(web, cppx, host, make_class):
    make_class("foreign", controller="example.test/other-controller")
    web.apply(ingress("web", {host: [path("web")]}))
    cppx.wait_for_status(host, 200)
    web.apply(ingress("web", {host: [path("web")]}, class_name="foreign"))
    cppx.wait_for_status(host, 404)
    web.apply(ingress("web", {host: [path("web")]}, class_name="cppx"))
    cppx.wait_for_status(host, 200)


def test_an_ingress_without_class_is_left_alone(web, cppx, host):
    web.apply(ingress("web", {host: [path("web")]}, class_name=None))
    expect_ignored(cppx, web, host)


def test_the_default_class_is_given_to_ingresses_without_one(web, cppx, host, make_class):
    make_class("cppx-default", default=True)
    web.apply(ingress("web", {host: [path("web")]}, class_name=None))
    cppx.wait_for_status(host, 200)
    assert web.get("ingress", "web")["spec"]["ingressClassName"] == "cppx-default"


def test_the_old_annotation_names_the_class(web, cppx, host):
    web.apply(ingress("web", {host: [path("web")]}, class_name=None, annotations={LEGACY: "cppx"}))
    cppx.wait_for_status(host, 200)
    web.apply(ingress("web", {host: [path("web")]}, class_name=None, annotations={LEGACY: "nginx"}))
    cppx.wait_for_status(host, 404)


def test_flags_choose_other_classes(web, cppx, host, make_class, start_cppx):
    make_class("nginx", controller="k8s.io/ingress-nginx")
    other = start_cppx(flags=["--controller-class=k8s.io/ingress-nginx", "--ingress-class=nginx"])
    old, new, ours = f"old.{host}", f"new.{host}", f"ours.{host}"
    web.apply(
        ingress("new", {new: [path("web")]}, class_name="nginx"),
        ingress("old", {old: [path("web")]}, class_name=None, annotations={LEGACY: "nginx"}),
        ingress("ours", {ours: [path("web")]}),
    )
    other.wait_for_status(new, 200)
    other.wait_for_status(old, 200)
    cppx.wait_for_status(ours, 200)
    assert [other.status(ours), cppx.status(new), cppx.status(old)] == [404, 404, 404]


def test_a_flag_takes_ingresses_without_class(web, host, start_cppx):
    open_minded = start_cppx(flags=["--watch-ingress-without-class"])
    web.apply(ingress("web", {host: [path("web")]}, class_name=None))
    open_minded.wait_for_status(host, 200)
