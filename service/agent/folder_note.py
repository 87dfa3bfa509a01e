"""What has to be known of the folder where the knowledge base gave nothing, or not all."""

from service.kb.index import Reconciler


async def folder_note(index: Reconciler) -> str:
    """Tell in a sentence for people why something may not have been found; '' when all is well."""
    status = await index.status()
    if status.state in {"missing", "unreadable"}:
        return f"The knowledge folder is {status.state}, so nothing can be found."
    if status.state in {"starting", "rebuilding"} or status.progress is not None:
        return "The knowledge base is still being indexed; what was not found may come."
    return ""
