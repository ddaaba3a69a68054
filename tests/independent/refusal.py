"""A refusal names the rule that is broken."""


class Refusal(Exception):
    def __init__(self, rule, found):
        super().__init__(f"{rule}: {found}")
        self.rule = rule


def refuse(rule, found):
    raise Refusal(rule, found)
