"""The dictionaries there are, and the entries a new installation begins with.

The lists of PRODUCT.md: notices (F02), papers (F04), leave and duty records (F07), feedback and
answer classes (§1.3.3). What a rule of the congress lists stays with the rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple


class Dictionary(NamedTuple):
    """One dictionary.

    Attributes:
        about: What it lists, as people read it.
        entries: What is shipped, in its order: codes with their labels, or codes that are labels.
        rule: Key of the rule that lists the entries instead; then only a rule change changes them.
        closed: Whether programs know every code, so that none can be added or retired.
    """

    about: str
    entries: tuple[str | tuple[str, str], ...] = ()
    rule: str = ""
    closed: bool = False


BEGIN = date(2016, 1, 1)
"""From when shipped entries hold: before anything this hub can know of."""

DICTIONARIES: Mapping[str, Dictionary] = {
    "answer.class": Dictionary("建议答复分类", rule="sugg.answer.classes"),
    "duty.kind": Dictionary(
        "履职类型",
        ("出席大会", "列席", "议案", "建议", "视察", "专题调研", "执法检查", "专题询问",
         "小组活动", "联系群众", "接待", "信访", "培训", "述职", "获奖", "其他"),
    ),
    "file.category": Dictionary(
        "资料类别",
        ("会议文件", "简报", "法律法规", "参阅资料", "学习培训", "公报", "其他"),
    ),
    "leave.kind": Dictionary(
        "请假类型", (("sick", "病假"), ("duty", "公假"), ("other", "其他")), closed=True
    ),
    "notice.kind": Dictionary(
        "通知类型",
        ("会议通知", "活动通知", "公告", "紧急通知", "资料通知", "系统通知"),
        closed=True,
    ),
    "profession": Dictionary(
        "专业标签",
        ("法律", "经济金融", "教育", "科技", "文化", "卫生健康", "城建环保", "农业农村",
         "社会建设", "民族宗教侨务", "外事", "企业管理", "基层工作"),
    ),
    "satisfaction": Dictionary("办理满意度等次", rule="sugg.feedback.scale"),
}  # fmt: skip
"""Every dictionary; sorted by name."""
