"""Names are ordered by their real reading and found by any of them."""

import pytest

from storage.names import name_keys
from storage.search import query_terms, search_terms


@pytest.mark.acceptance("F15-1")
@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("章清", "章"), ("章清", "章清"), ("章清", "清"), ("章清", "zhq"), ("章清", "zq"),
        ("章清", "zhangqing"), ("章清", "Zhang Qing"), ("章清", "zhangq"), ("章清", "ＺＱ"),
        ("曾子墨", "zeng"), ("曾子墨", "ceng"), ("单怀瑾", "shan"), ("单怀瑾", "dan"),
        ("单怀瑾", "shj"), ("单怀瑾", "dhj"), ("解语山", "xie"), ("解语山", "jie"),
        ("仇远舟", "qiu"), ("仇远舟", "chou"), ("查慎之", "zha"), ("尉迟望舒", "yuchi"),
        ("尉迟望舒", "望舒"), ("阿依慕·努尔", "阿依慕努尔"), ("阿依慕·努尔", "阿依慕 努尔"),
        ("阿依慕·努尔", "阿依慕·努尔"), ("阿依慕·努尔", "nuer"), ("吕望", "lv"),
    ],
)  # fmt: skip
def test_a_person_is_found_by_name_pinyin_and_initials_in_every_reading(name, typed):
    wanted = query_terms(typed)
    assert wanted
    assert set(wanted) <= set(search_terms(name))


@pytest.mark.parametrize(
    ("name", "typed"),
    [("章清", "章子"), ("章清", "zhangw"), ("章清", "wq"), ("单怀瑾", "shanq"), ("曾子墨", "墨曾")],
)
def test_a_person_is_not_found_by_something_else(name, typed):
    assert not set(query_terms(typed)) <= set(search_terms(name))


@pytest.mark.parametrize(
    ("name", "py"),
    [
        ("单怀瑾", "shanhuaijin"), ("曾子墨", "zengzimo"), ("解语山", "xieyushan"),
        ("仇远舟", "qiuyuanzhou"), ("尉迟望舒", "yuchiwangshu"), ("阿依慕·努尔", "ayimunuer"),
    ],
)  # fmt: skip
def test_a_surname_has_its_own_reading(name, py):
    assert name_keys(name).py == py


def test_names_are_ordered_by_syllable_not_by_letter():
    names = ["冯砚秋", "单怀瑾", "蔡一", "方圆", "樊则安"]
    assert sorted(names, key=lambda name: name_keys(name).sort_key) == [
        "蔡一", "樊则安", "方圆", "冯砚秋", "单怀瑾",
    ]  # fmt: skip
