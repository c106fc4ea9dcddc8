"""An alert as it stands now, open or over: what is to be told of it later finds it here. It tells nobody."""

from alerts.alert import Alert, AlertId
from appliance.pipeline import Pipeline
from appliance.store import clip_rows
from appliance.store.store import Store


async def as_it_stands(alert: AlertId, pipeline: Pipeline, store: Store) -> tuple[Alert, bool] | None:
    """The alert, and whether anything of it was told; None where it is not known any more. StoreFailed where that cannot be read."""
    for track in pipeline.tracks():
        for each in (track.alert, track.test):
            if each is not None and each.id == alert:
                return each, track.withheld is None
    return await store.do(lambda connection: clip_rows.alert_of(connection, alert))
