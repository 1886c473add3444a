"""The webhook's configuration: it is there where answers are wanted; our part is the authority."""

import base64
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schedune_kube.client import KubeClient, Raw
from schedune_kube.errors import ApiError, ConflictError, NotFoundError
from schedune_kube.resources import VALIDATINGWEBHOOKS
from schedune_operator.admission.identity import merged_bundle

_LOG: Final = logging.getLogger(__name__)


async def register(
    client: KubeClient, name: str, authorities: Sequence[bytes], now: datetime
) -> bool:
    """Put our authorities into the configuration beside those of other operators.

    Return whether they are there now. Each write stands on what was read: of two operators
    that write at once one tries again. Webhooks that somebody took out are not put back.
    """
    try:
        held = await client.get(VALIDATINGWEBHOOKS, name)
        hooks: list[Raw] = held.get("webhooks") or []  # the API server leaves out an empty list
        fresh = {hook["name"]: _bundle(hook, authorities, now) for hook in hooks}
        if all(_held(hook) == fresh[hook["name"]] for hook in hooks):
            return bool(hooks)
        await client.apply(VALIDATINGWEBHOOKS, name, _patch(held, fresh))
    except NotFoundError:
        return False
    except ConflictError:
        _LOG.info("webhook.registered-by-another")
        return False
    except ApiError as error:
        _LOG.warning("webhook.not-registered", extra={"error": str(error)})
        return False
    return True


def _held(hook: Raw) -> bytes:
    return base64.b64decode(hook["clientConfig"].get("caBundle") or "")


def _bundle(hook: Raw, authorities: Sequence[bytes], now: datetime) -> bytes:
    return merged_bundle(_held(hook), authorities, now)


def _patch(held: Raw, bundles: dict[str, bytes]) -> Raw:
    return {
        "apiVersion": VALIDATINGWEBHOOKS.api_version,
        "kind": VALIDATINGWEBHOOKS.kind,
        "metadata": {
            "name": held["metadata"]["name"],
            "resourceVersion": held["metadata"]["resourceVersion"],
        },
        "webhooks": [
            {"name": name, "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}
            for name, bundle in bundles.items()
        ],
    }
