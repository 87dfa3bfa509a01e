"""What the model has to know of the folder when the knowledge base gave nothing."""

from service.kb.index import Reconciler


async def folder_note(index: Reconciler) -> str:
    """Tell in a sentence why nothing may have been found; '' when all is well."""
    status = await index.status()
    if status.state in {"missing", "unreadable"}:
        return f"The knowledge folder is {status.state}, so nothing can be found. Tell that plainly."
    if status.state == "starting" or status.progress is not None:
        return "The knowledge base is still being indexed; what was not found may come. Tell that plainly."
    return ""
