"""What the operator is told."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from schedune.api.scheduling_policy import SchedulingPolicy
from schedune_kube.serving import ListenSettings, TlsListenSettings
from schedune_kube.settings import KubernetesSettings, Settings, read_settings_file


class LeaderSettings(Settings):
    """Seconds of the leader election (reference/kopf.md 5.3)."""

    duration_seconds: Annotated[int, Field(ge=2)] = 15
    """How long a silent leader still counts."""
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10
    """How long after its last renewal a leader still acts; below the duration, and at least the
    margin and two renewals."""
    retry_seconds: Annotated[float, Field(gt=0)] = 2
    """How often the Lease is renewed, or tried."""
    margin_seconds: Annotated[float, Field(gt=0)] = 3
    """A write starts only if leadership lasts this much longer."""

    @model_validator(mode="after")
    def _two_never_lead(self) -> Self:
        if self.margin_seconds >= self.renew_deadline_seconds:
            raise ValueError(
                f"marginSeconds {self.margin_seconds:g} must be below renewDeadlineSeconds"
                f" {self.renew_deadline_seconds:g}: else nothing is ever written"
            )
        least = self.margin_seconds + 2 * self.retry_seconds
        if self.renew_deadline_seconds < least:
            raise ValueError(
                f"renewDeadlineSeconds {self.renew_deadline_seconds:g} must be marginSeconds"
                f" {self.margin_seconds:g} and twice retrySeconds {self.retry_seconds:g} at least,"
                f" {least:g}: else writing stops between two renewals"
            )
        if self.renew_deadline_seconds + self.margin_seconds > self.duration_seconds:
            raise ValueError(
                f"renewDeadlineSeconds {self.renew_deadline_seconds:g} and marginSeconds"
                f" {self.margin_seconds:g} must together be durationSeconds"
                f" {self.duration_seconds} at most: else two may lead at once"
            )
        return self


class AdmissionSettings(Settings):
    """Answers at ``kubectl apply``: a webhook that every operator serves."""

    host: str = "0.0.0.0"  # noqa: S104 - the API server comes from outside the pod
    """Address on which it listens."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9443
    """Port on which it listens; 0: any that is free."""
    names: list[str] = Field(default_factory=lambda: ["schedune-webhook.schedune-system.svc"])
    """Names and addresses by which the API server calls it."""
    configuration: str = "schedune-workloads"
    """Name of the ValidatingWebhookConfiguration into which our authority is put."""
    certificate_seconds: Annotated[float, Field(ge=1)] = 86400
    """How long a certificate lives; the next is made when two thirds of that are over."""
    upkeep_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    """How often the configuration is looked at."""
    answer_seconds: Annotated[float, Field(gt=0, le=10)] = 1
    """How long an answer may take; after that the object passes."""


class OperatorSettings(Settings):
    """Everything the operator is told."""

    kubernetes: KubernetesSettings | None = None
    """Where the API server is; unset: the pod's own service account."""
    lease_poll_seconds: Annotated[float, Field(gt=0, le=60)] = 15
    """How often the nodes' heartbeats are looked at; a node is silent after 180 s."""
    expire_seconds: Annotated[float, Field(gt=0, le=86400)] = 900
    """After this much silence nothing is known of a node any more: Fresh is Unknown."""
    outage_nodes: Annotated[int, Field(ge=2)] = 10
    """If so many nodes at least, and more than half, fall silent at once, it is taken as an
    outage of our own."""
    tick_seconds: Annotated[float, Field(gt=0, le=300)] = 5
    """How often everything is looked at even when nothing changed."""
    sweep_seconds: Annotated[float, Field(gt=0, le=86400)] = 300
    """How often workloads are listed anew, for what a watch lost."""
    drain_at_once: Annotated[int, Field(ge=1, le=1000)] = 4
    """How many VMs leave one node at a time when it is being drained."""
    admission: AdmissionSettings | None = None
    """Answers at ``kubectl apply``; unset: none, unless the operator is started with
    ``--admission``."""
    leader: LeaderSettings = Field(default_factory=LeaderSettings)
    """Leader election."""
    observability: ListenSettings | None = Field(default_factory=lambda: ListenSettings(port=8080))
    """Where /metrics, /livez and /readyz are; null: nowhere."""
    fleet_page: TlsListenSettings | None = Field(
        default_factory=lambda: TlsListenSettings(port=8081)
    )
    """Where the fleet page is; null: nowhere. Beyond loopback it speaks TLS, and only to whom
    the API server says may list workloads, placements and truths of all namespaces."""
    policy: SchedulingPolicy = Field(default_factory=SchedulingPolicy)
    """How nodes are judged and scored."""


def read_settings(path: Path | None, *, answers_at_apply: bool = False) -> OperatorSettings:
    """Read a settings file; without one the defaults hold.

    ``answers_at_apply`` turns admission on where the file does not: what was installed for it says
    so on the command line, and leaves the file to whoever writes it.

    Raises:
        SettingsError: the file is missing, no YAML, or says something wrong.
    """
    said = OperatorSettings() if path is None else read_settings_file(path, OperatorSettings)
    if answers_at_apply and said.admission is None:
        return said.model_copy(update={"admission": AdmissionSettings()})
    return said
