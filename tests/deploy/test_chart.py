"""The chart: what it renders is valid, safe, and what a worker expects.

What can be said of one manifest at a time stands in the chart's own suites, for helm-unittest; they run
here, too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stream.rules.compiler.rule_set import check_rules
from stream.runtime.app import STOP_DEADLINE_S
from stream.settings import Settings, load
from stream.structs import OwnTopics
from stream.topics.plan import outputs
from tests.deploy import helm
from tests.deploy.charts import (
    CHART,
    LEAST,
    VALUE_SETS,
    Chart,
    Manifest,
    find,
    merged,
    pod_specs,
    read,
    worker_env,
)
from tests.deploy.kustomize import BASE, cleaned, render
from tests.deploy.tools import Tools

KUBERNETES = ("1.29", "1.33", "1.37")  # the oldest that the chart takes, one between, the newest
CUSTOM = ("keda.sh/", "kafka.strimzi.io/", "monitoring.coreos.com/")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
MONITORED = {"monitoring": {"rules": {"enabled": True}, "dashboards": {"enabled": True}}}

Rendered = dict[str, list[Manifest]]


def test_lint_finds_nothing(chart: Chart, tmp_path: Path) -> None:
    own = yaml.safe_load((chart.path / "values.yaml").read_text())
    calls = []
    for path in [
        CHART / "values.yaml",
        *VALUE_SETS,
    ]:  # `lint` of the library takes no values: each has a chart
        copy = shutil.copytree(chart.path, tmp_path / path.stem)
        values = merged(own, yaml.safe_load(path.read_text()))
        (copy / "values.yaml").write_text(yaml.safe_dump(values))
        calls.append(helm.Lint(copy))
    for call, answer in zip(calls, chart.call(calls), strict=True):
        assert not answer.error, f"{call.path.name}: {answer.error}"
        assert not {"[WARNING]", "[ERROR]"} & set(answer.out.split()), f"{call.path.name}: {answer.out}"


def test_there_are_six_value_sets_and_each_has_its_own_shape(rendered: Rendered) -> None:
    shapes = {name: sorted(each["kind"] for each in manifests) for name, manifests in rendered.items()}
    assert len(shapes) == len({str(shape) for shape in shapes.values()}) == 6


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_manifest(rendered: Rendered, version: str) -> None:
    checked = 0
    for name, manifests in rendered.items():
        for each in manifests:
            if not each["apiVersion"].startswith(CUSTOM):
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    pytest.fail(f"{name}: {each['kind']}: {error}")
                checked += 1
    assert checked > 6 * 5


def test_their_operators_take_the_custom_resources(rendered: Rendered, tools: Tools, chart: Chart) -> None:
    add_monitoring_files(chart)
    schemas = custom_schemas(tools)
    with_rules = chart.render(LEAST, MONITORED)
    seen = set()
    for each in chain(*rendered.values(), with_rules):
        if each["apiVersion"].startswith(CUSTOM):
            kind = (each["apiVersion"], each["kind"])
            jsonschema.Draft202012Validator(schemas[kind]).validate(each)
            seen.add(kind)
    assert seen == set(schemas), "a kind that no value set shows"


def test_a_custom_resource_with_a_wrong_key_is_seen(rendered: Rendered, tools: Tools) -> None:
    topic = find(rendered["strimzi-values.yaml"], "KafkaTopic", "decisions")
    topic = merged(topic, {"spec": {"replicaz": 3}})
    validator = jsonschema.Draft202012Validator(custom_schemas(tools)["kafka.strimzi.io/v1", "KafkaTopic"])
    with pytest.raises(jsonschema.ValidationError, match="replicaz"):
        validator.validate(topic)


def test_the_suites_for_helm_unittest_pass(tools: Tools) -> None:
    command = [tools.helm_unittest, "--strict", "--file", "tests/*_test.yaml", CHART]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test Suites: " in done.stdout


def test_workers_read_the_settings_that_they_are_given(rendered: Rendered, tmp_path: Path) -> None:
    """No unknown setting, none that contradicts another: the worker's own words decide."""
    for name, manifests in rendered.items():
        env = {
            key: value.replace("/etc/stream", str(tmp_path)) for key, value in worker_env(manifests).items()
        }
        for key, value in env.items():
            if key.endswith("FILE"):
                Path(value).parent.mkdir(exist_ok=True)
                Path(value).write_text("secret")
        settings = load(env, env_file=None)
        assert settings.instance_id == "metadata.name", name
        assert settings.http_port == 9464


def test_rocksdb_gets_its_percent_of_the_memory_limit(chart: Chart) -> None:
    for limit, percent, expected in [
        ("2Gi", 25, 2**29),
        ("1500M", 40, 600_000_000),
        ("1073741824", 50, 2**29),
        ("1.5Gi", 10, 161_061_273),
    ]:
        values = {
            "store": {"type": "rocksdb", "memoryPercent": percent},
            "resources": {"limits": {"memory": limit}},
        }
        assert worker_env(chart.render(LEAST, values))["STREAM_STORE_MEMORY"] == str(expected)
    assert "STREAM_STORE_MEMORY" not in worker_env(chart.render(LEAST))


def test_pods_are_as_the_restricted_standard_wants_them(rendered: Rendered) -> None:
    for name, manifests in rendered.items():
        specs = list(pod_specs(manifests))
        assert len(specs) == 2, name
        for spec in specs:
            assert spec["automountServiceAccountToken"] is False
            assert spec["enableServiceLinks"] is False
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            for container in [*spec["containers"], *spec.get("initContainers", [])]:
                assert container["securityContext"].get("runAsUser", 10001) != 0
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]["memory"]


def test_no_secret_is_an_environment_variable(rendered: Rendered) -> None:
    for manifests in rendered.values():
        for spec in pod_specs(manifests):
            for container in [*spec["containers"], *spec.get("initContainers", [])]:
                assert "secretKeyRef" not in json.dumps(container)
                assert "secretRef" not in json.dumps(container.get("envFrom", []))
        assert not [each for each in manifests if each["kind"] == "Secret"]


def test_a_changed_rule_restarts_no_worker(chart: Chart) -> None:
    def changed(text: str) -> dict[str, Any]:
        return {"rules": {"configMap": {"files": {"shop.yaml": RULE + text}}}}

    RULE = LEAST["rules"]["configMap"]["files"]["shop.yaml"]
    before, after = chart.render(LEAST, changed("# one\n")), chart.render(LEAST, changed("# two\n"))
    assert find(before, "ConfigMap") != find(after, "ConfigMap")
    assert find(before, "StatefulSet") == find(after, "StatefulSet")


def test_rules_are_mounted_so_that_changes_arrive(rendered: Rendered) -> None:
    for manifests in rendered.values():
        for spec in pod_specs(manifests):
            container = spec["containers"][0]
            assert all("subPath" not in mount for mount in container["volumeMounts"])
            (env,) = [each["value"] for each in container["env"] if each["name"] == "STREAM_RULES"]
            (mount,) = [each for each in container["volumeMounts"] if each["name"] == "rules"]
            assert env.startswith(mount["mountPath"])
            assert mount["readOnly"] is True


def test_a_worker_has_time_to_finish(rendered: Rendered) -> None:
    """What is in work, then what is decided: each may take STOP_DEADLINE_S; leaving takes a moment."""
    for manifests in rendered.values():
        spec = find(manifests, "StatefulSet")["spec"]["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] >= 2 * STOP_DEADLINE_S + 20
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"]["terminationGracePeriodSeconds"]["minimum"] >= 2 * STOP_DEADLINE_S


def test_declared_topics_are_those_that_a_worker_would_make(chart: Chart) -> None:
    rules = check_rules(Path("rules")).rules
    assert rules is not None
    expected = outputs(rules, OwnTopics("brand"))
    values = {
        "appId": "brand",
        "strimzi": {"enabled": True, "cluster": "main"},
        "kafka": {"auth": {"type": "scram-sha-512"}},
        "topics": {
            "sources": [source.topic for source in rules.sources],
            "channels": [channel.topic for channel in rules.channels],
        },
    }
    manifests = chart.render(LEAST, values)
    declared = {each["spec"]["topicName"]: each["spec"] for each in manifests if each["kind"] == "KafkaTopic"}
    assert set(declared) == set(expected)
    for name, spec in declared.items():
        config = {key: str(value) for key, value in spec["config"].items()}
        assert config.items() >= expected[name].items()
        assert spec["replicas"] == 3
        assert config["min.insync.replicas"] == "2"
    acls = find(manifests, "KafkaUser")["spec"]["authorization"]["acls"]
    granted = {(acl["resource"]["type"], acl["resource"]["name"]): set(acl["operations"]) for acl in acls}
    assert {name for kind, name in granted if kind == "topic"} == set(expected) | set(
        values["topics"]["sources"]
    )
    written = {name for (_, name), operations in granted.items() if "Write" in operations}
    assert written == set(expected) - {"brand-switches"}, "people write that one"
    assert granted["group", "brand"] == {"Read"}
    assert not {"All", "Create", "Delete", "Alter", "AlterConfigs"} & set().union(*granted.values())
    assert all(acl["resource"]["patternType"] == "literal" for acl in acls)


def test_names_of_topics_that_are_no_names_of_resources_stay_apart(chart: Chart) -> None:
    values = {
        "strimzi": {"enabled": True, "cluster": "main", "user": {"enabled": False}},
        "topics": {"channels": ["to_mail", "to-mail", "To.Mail", "to.mail"]},
    }
    topics = [each for each in chart.render(LEAST, values) if each["kind"] == "KafkaTopic"]
    names = {each["metadata"]["name"] for each in topics}
    assert len(names) == len(topics) == 9
    assert all(name == name.lower() and "_" not in name for name in names)


def add_monitoring_files(chart: Chart) -> None:
    """Files of the kinds that the chart takes in, with what a template engine would stumble over."""
    for folder in ("prometheus", "dashboards"):
        (chart.path / "files" / folder).mkdir(parents=True, exist_ok=True)
    alert = {
        "alert": "Probe",
        "expr": "up == 0",
        "for": "5m",
        "annotations": {
            "summary": "{{ $labels.pod }} at {{ $value | humanize }}",
            "runbook_url": "docs/runbooks.md#probe",
        },
    }
    rules = {"groups": [{"name": "probe", "rules": [alert]}]}
    (chart.path / "files/prometheus/probe.yaml").write_text("# a comment\n" + yaml.safe_dump(rules))
    (chart.path / "files/dashboards/probe.json").write_text(
        json.dumps({"title": "Probe", "legendFormat": "{{pod}}"}, indent=2)
    )


def test_alerts_and_dashboards_are_taken_in_as_they_are(chart: Chart) -> None:
    add_monitoring_files(chart)
    manifests = chart.render(LEAST, MONITORED)
    spec = find(manifests, "PrometheusRule", "stream-stream-triggers-probe")["spec"]
    assert (
        spec["groups"][0]["rules"][0]["annotations"]["summary"]
        == "{{ $labels.pod }} at {{ $value | humanize }}"
    )
    board = find(manifests, "ConfigMap", "stream-stream-triggers-dashboard-probe")
    assert json.loads(board["data"]["probe.json"]) == {"title": "Probe", "legendFormat": "{{pod}}"}
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert not [each for each in chart.render(LEAST) if each["kind"] == "PrometheusRule"]


def test_alerts_lead_to_where_the_runbooks_are_served(chart: Chart) -> None:
    values = {"monitoring": {"rules": {"enabled": True, "docsUrl": "https://docs.example/stream"}}}
    groups = [
        group
        for each in chart.render(LEAST, values)
        if each["kind"] == "PrometheusRule"
        for group in each["spec"]["groups"]
    ]
    links = [
        rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if "alert" in rule
    ]
    assert links
    assert all(link.startswith("https://docs.example/stream/runbooks.md#") for link in links)


# Values, and what is said of them.
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kafka": {"bootstrap": ""}}, "kafka.bootstrap is missing"),
    ({"rules": {"configMap": {"files": None}}}, "there are no rules"),
    ({"replicas": 13}, "13 workers for 12 partitions"),
    ({"replicas": 1, "standbyReplicas": 1}, "a copy is another worker's"),
    ({"autoscaling": {"enabled": True, "maxReplicas": 13}}, "13 workers for 12 partitions"),
    ({"autoscaling": {"enabled": True, "maxReplicas": 2}}, "less than replicas"),
    ({"autoscaling": {"enabled": True, "trigger": "prometheus"}}, "serverAddress is missing"),
    ({"settings": {"STREAM_BROKER": "a:1"}}, "settings.STREAM_BROKER has a value of its own"),
    ({"settings": {"STREAM_SASL_PASSWORD": "x"}}, "secrets are given as files"),
    ({"settings": {"STREAM_TRACE_SHARE": "0.1"}}, "use tracing.share"),
    ({"settings": {"STREAM_FOO": "x"}}, "STREAM_FOO"),
    ({"tracing": {"share": 0.1}}, "tracing.endpoint is missing"),
    ({"extraEnv": [{"name": "STREAM_CLOCK", "value": "event"}]}, "STREAM_CLOCK belongs into settings"),
    ({"extraEnv": [{"value": "x"}]}, "name"),
    ({"sidecars": [{"name": "worker"}]}, "worker is the name of a container"),
    ({"initContainers": [{"name": "git-sync"}]}, "git-sync is the name of a container"),
    ({"extraVolumes": [{"name": "data"}]}, "data is the name of a volume"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": "/etc/stream/auth"}]}, "would hide /etc/stream"),
    ({"extraVolumeMounts": [{"name": "a", "mountPath": "/var/lib"}]}, "would hide /var/lib/stream"),
    ({"monitoring": {"podMonitor": {"enabled": True}}}, "nobody could read the metrics"),
    ({"kafka": {"auth": {"type": "plain"}}}, "kafka.auth.secret is missing"),
    ({"kafka": {"auth": {"type": "tls", "secret": "a"}}}, "needs kafka.tls.enabled"),
    ({"strimzi": {"enabled": True}}, "strimzi.cluster is missing"),
    ({"strimzi": {"enabled": True, "cluster": "main"}}, "topics.sources is empty"),
    ({"topics": {"replicas": 1}}, "nothing could be written"),
    ({"rules": {"source": "git"}}, "rules.git.repository is missing"),
    (
        {"monitoring": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}},
        "one of them",
    ),
    ({"store": {"type": "rocksdb"}, "resources": {"limits": None}}, "RocksDB's share"),
    # What the schema says.
    ({"replica": 3}, "replica"),
    ({"store": {"type": "disk"}}, "store"),
    ({"terminationGracePeriodSeconds": 10}, "terminationGracePeriodSeconds"),
    ({"settings": {"stream_clock": "event"}}, "stream_clock"),
    ({"rules": {"configMap": {"files": {"a/b.yaml": "x"}}}}, "a/b.yaml"),
    ({"image": {"digest": "latest"}}, "digest"),
)


def test_what_cannot_work_is_refused_with_what_to_change(chart: Chart) -> None:
    answers = chart.call([chart.template(LEAST, values) for values, _ in REFUSED])
    for (values, told), answer in zip(REFUSED, answers, strict=True):
        assert told in answer.error, f"{values}: {answer.error or 'not refused'}"


def test_the_schema_knows_every_setting_that_the_chart_leaves_to_its_user(chart: Chart) -> None:
    """A misspelt one was rendered, and every pod crashed at its start."""
    names = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]["propertyNames"]
    known = {f"STREAM_{name.upper()}" for name in Settings.model_fields}
    assert set(names["enum"]) == known, "the enum of `settings` has each setting, and no other"


def test_every_value_has_a_default_and_a_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(values: dict[str, Any], part: dict[str, Any], path: str) -> None:
        if part.get("additionalProperties") is False:
            left = set(part["properties"]) - {"global", "claims", "initialDelaySeconds", "timeoutSeconds"}
            free = part["properties"].keys() >= {"requests"}
            assert free or left <= set(values), path
            for key, value in values.items():
                if isinstance(value, dict):
                    compare(value, part["properties"][key], f"{path}.{key}")
        else:
            assert "properties" not in part or "memory" in part["properties"], f"{path}: open to wrong keys"

    compare(VALUES, schema, "values")


def test_the_readme_names_every_value_and_no_other() -> None:
    readme = (CHART / "README.md").read_text()
    table = readme.split("## Values", 1)[1]
    named = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert named == set(VALUES)


def custom_schemas(tools: Tools) -> dict[tuple[str, str], Any]:
    """apiVersion and kind → the schema, closed as a cluster's strict field validation would have it."""
    found = {}
    for path in tools.schemas:
        definition = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]
        for version in definition["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            kind = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[kind] = schema
    return found


def closed(schema: Any) -> Any:
    """No properties but those that are named, where the definition does not keep unknown ones."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {key: closed(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and "type" in schema and not is_open:
        result["additionalProperties"] = False
    return result


def test_kustomize_base_is_current(chart: Chart) -> None:
    (answer,) = chart.call([render(CHART)])
    assert not answer.error, answer.error
    assert (BASE / "workers.yaml").read_text() == cleaned(answer.out), "make chart renders it anew"
    for each in read((BASE / "workers.yaml").read_text()):
        kubernetes_validate.validate(each, KUBERNETES[0], strict=True)
    base = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    assert base["resources"] == ["workers.yaml"]
