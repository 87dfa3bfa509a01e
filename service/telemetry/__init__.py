"""What the service tells of itself: metrics, logs and traces."""

from service.telemetry.identity import CALLER, REQUEST_ID, TURN_ID
from service.telemetry.logs import configure_logging
from service.telemetry.metrics import Metrics

__all__ = ["CALLER", "REQUEST_ID", "TURN_ID", "Metrics", "configure_logging"]
