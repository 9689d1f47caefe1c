"""The one exception that the study raises for something the user can mend."""


class StudyError(Exception):
    """A problem that the user can mend; its text is one sentence: what, where, what to do."""
