"""What the sync and the async client are configured with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import grpc

from learning_client._endpoint import TIMEOUT_MS_DEFAULT, Endpoint, Metadata, endpoint
from learning_client._security import Tls, bearer
from learning_client._steps import Steps

AnyTransport = TypeVar("AnyTransport")


class BaseClient(ABC, Generic[AnyTransport]):
    """Keeps the configuration of a client; says nothing about how calls are sent."""

    def __init__(
        self,
        address: str | None = None,
        *,
        tenant: str = "default",
        workspace: str = "main",
        timeout_ms: float = TIMEOUT_MS_DEFAULT,
        token: str | None = None,
        tls: Tls | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Metadata = (),
        channel_options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        """Configure a client; the connection is made with the first call, and then reused.

        Args:
            address: `host:port` or `unix:/path`. None: the environment variable `LEARNING_ADDRESS`, and without
                it `127.0.0.1:50051`.
            tenant: Who asks; 1 to 128 printable characters.
            workspace: Which deployment, the unit of sharing, budget and snapshot; likewise.
            timeout_ms: How long any one call to the sidecar may take, in milliseconds, above 0.
            token: The secret that the sidecar knows this app by, sent with every call. None: no token.
            tls: Which certificates to trust and to show, such as `Tls(ca="ca.pem")`. None: plain text.
            credentials: gRPC's own, for what `tls` cannot say; not together with it.
            metadata: More that is sent with every call, such as `[("x-team", "search")]`; keys in lower case.
            channel_options: gRPC channel options that are laid over the client's own.

        Raises:
            TypeError: A name or the token is not a string.
            ValueError: A name, the address, the time-out or the token is not allowed.
            OSError: A file of `tls` cannot be read.
        """
        self._steps = Steps(tenant, workspace)
        if tls is not None:
            if credentials is not None:
                message = "tls and credentials say the same: give one of them"
                raise ValueError(message)
            credentials = tls.credentials()
        if token is not None:
            metadata = (bearer(token), *metadata)
        self._transport = self._connect(endpoint(address, timeout_ms, credentials, metadata, channel_options))

    @abstractmethod
    def _connect(self, to: Endpoint) -> AnyTransport:
        """Make the transport; the one seam that the fakes replace."""
