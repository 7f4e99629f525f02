"""A form of publication: a page of the best scores."""

from gengauge import Parameter, PublisherSpec, hookimpl


@hookimpl
def gengauge_publishers():
    """Return the form of publication, described."""
    return [
        PublisherSpec(
            id="example-page",
            summary="one page with a table of the best scores, and the records beside it",
            target="example_publisher.page:publish",
            parameters=(Parameter("title", "Scores", "heading of the page"),),
        )
    ]
