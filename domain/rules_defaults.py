"""The rules as shipped: PRODUCT.md §1.3, every number with the article it comes from.

The editions are those we have read. ``SH-议案`` and ``SH-建议`` were probably amended in 2025-09;
the new text is not at hand, so the source says 2015 and an administrator enters what changes.
"""

from __future__ import annotations

from datetime import date

from domain.rules import RuleParam, Unit, Value, begin_of

_MOTION = "上海市人大关于代表议案的规定（2015 文本）第{}条"
_SUGGESTION = "上海市人大关于代表建议、批评和意见的规定（2015 文本，2016 修改）第{}条"
_MEASURES = "上海市实施代表法办法（2015 条号）第{}条"
_CONGRESS = "上海市人民代表大会议事规则（2001 文本）第{}条"
_STANDING = "上海市人大常委会议事规则第{}条"
_COMMITTEE = "上海市人大专门委员会工作条例（2020 文本）第{}条"
_DEPUTIES = "代表法（2025-03-11 修正文本）第{}条"
_ORGANIC = "地方组织法（2022 文本）第{}条"
_CHONGQING = "参照重庆市代表建议工作条例（2017 文本）第{}条"
_PRACTICE = "工作惯例，法规未作规定"
_PRODUCT = "产品所定，法规未作规定"
_MEASURED = "产品所定，依据公开人像的测量；正式使用前须以同意者本人照片重新校准"

_SHIPPED = date(2016, 1, 1)
"""From when shipped rows hold here: before anything this hub can know of."""

_REVISED = date(2025, 3, 11)
"""Date of the revised national law on deputies, the only source of the rows that begin then."""

_C, _F, _M, _D, _W = Unit.COUNT, Unit.FRACTION, Unit.MONTHS, Unit.DAYS, Unit.WORKING_DAYS
_T = Unit.DECIMAL

_ROWS: tuple[tuple[str, Value, Unit, str, str], ...] = (
    # Who may do what: numbers of people.
    ("motion.min", 10, _C, _MOTION.format(5), "联名代表人数下限（市、区）；乡镇为 5 人"),
    ("motion.amend.min", 10, _C, _CONGRESS.format(31), "会议修正案联名人数下限"),
    ("motion.amend.lead", 2, Unit.HOURS, _CONGRESS.format(31), "表决前主席团会议之前提出"),
    ("inquiry.min", 10, _C, _ORGANIC.format(24), "质询案联名人数下限"),
    ("candidate.min", 30, _C, _ORGANIC.format(26), "市级候选人代表联名下限；县级为 10 人"),
    ("recall.min", "1/10", _F, _ORGANIC.format(31), "罢免案联名比例下限"),
    ("investigation.min", "1/10", _F, _ORGANIC.format(36), "特定问题调查委员会联名比例下限"),
    ("session.extra.min", "1/5", _F, _ORGANIC.format(14), "提议临时召集会议的比例下限"),
    ("npcsc.motion.min", 5, _C, _STANDING.format("13、18、29"), "常委会组成人员联名下限"),
    # 议案.
    ("motion.deadline", None, Unit.INSTANT, _CONGRESS.format("14、34"), "主席团第一次会议决定"),
    ("motion.inter.forward", 15, _D, _MOTION.format(10), "闭会期间收到议案至送专委会"),
    ("motion.inter.opinion", 30, _D, _MOTION.format(10), "专委会收到至提出书面处理意见"),
    ("motion.reconsider.lead", 4, Unit.HOURS, _MOTION.format(14),
     "最后一次主席团会议之前；2001 年议事规则第 26 条为 2 小时，依新的特别规定"),
    ("motion.reconsider.share", "1/2", _F, _MOTION.format(14), "须超过提案人的此比例"),
    ("motion.reconsider.min", 10, _C, _MOTION.format(14), "且不少于此人数"),
    ("motion.withdraw.min", 10, _C, _MOTION.format(13),
     "余下联名人少于此数即终止；已列入议程的须主席团同意"),
    ("motion.consult.out", 15, _D, _MOTION.format(17), "闭会后专委会送有关机关"),
    ("motion.consult.in", 30, _D, _MOTION.format(17), "闭会后有关机关答复"),
    ("motion.report", 3, _M, _MOTION.format(15), "闭会后提出审议结果报告"),
    ("motion.org.report", 3, _M, _MOTION.format(20), "交办后报告办理情况"),
    ("motion.org.redo", 1, _M, _MOTION.format(21), "常委会不同意后再次办理"),
    # 建议.
    ("sugg.assign", 7, _W, _SUGGESTION.format(11), "闭会期间收到至交办；会议期间由大会秘书处办"),
    ("sugg.reject", 7, _W, _SUGGESTION.format(14), "承办单位收到后可申请退回的期限"),
    ("sugg.coop", 1, _M, _SUGGESTION.format(17), "会办意见送主办单位"),
    ("sugg.answer", 3, _M, _SUGGESTION.format(19) + "；" + _DEPUTIES.format(51), "交办后答复代表"),
    ("sugg.extend", 3, _M, _SUGGESTION.format(19), "经同意最多再延长"),
    ("sugg.redo", 1, _M, _SUGGESTION.format(21), "不满意且应重办的再次答复"),
    ("sugg.feedback.remind", 20, _W, _CHONGQING.format("27、29"),
     "收到答复至填写反馈表；上海未规定，重庆 20、北京 15；催办后仍未填的不计入满意率"),
    ("sugg.feedback.scale", ("满意", "基本满意", "理解", "不满意"), Unit.CHOICES, _PRACTICE,
     "反馈等次；法规未列"),
    ("sugg.answer.classes", ("解决采纳", "正在解决", "计划解决", "留作参考"), Unit.CHOICES,
     _SUGGESTION.format(18), "答复分类"),
    ("sugg.kickoff", 1, _M, _SUGGESTION.format(15), "闭会后召开办理工作会议"),
    ("sugg.unit.report.year", 2, _C, _SUGGESTION.format(24), "每年承办单位报告次数：年中、年末"),
    # Meetings.
    ("npc.notice", 1, _M, _CONGRESS.format(8), "会议举行前通知日期和主要事项"),
    ("npcsc.notice", 7, _D, _STANDING.format(5), "会议举行前通知；临时召集除外"),
    ("npcsc.docs.draft", 20, _D, _STANDING.format(23), "专项工作报告初稿送专委会"),
    ("npcsc.docs.final", 10, _D, _STANDING.format(23), "专项工作报告修改稿送常委会"),
    ("npcsc.opinion", 3, _M, _STANDING.format("16、26"), "审议意见办理并报告"),
    ("npcsc.opinion.remind", ("30", "7", "1"), Unit.CHOICES, _PRACTICE, "到期前提醒的天数"),
    ("npcsc.cycle", 2, _M, _ORGANIC.format(51), "至少每隔此时间举行一次"),
    ("quorum.npc", "2/3", _F, _CONGRESS.format("2、6、13"), "全体代表，不少于此比例出席"),
    ("majority.npc", "1/2", _F, _ORGANIC.format("14、25"), "须超过全体代表的此比例"),
    ("quorum.presidium", "2/3", _F, _CONGRESS.format("2、6、13"), "主席团成员，不少于"),
    ("majority.presidium", "1/2", _F, _CONGRESS.format("2、6、13"), "须超过主席团全体成员的"),
    ("quorum.npcsc", "1/2", _F, _ORGANIC.format(51), "须超过组成人员的此比例"),
    ("majority.npcsc", "1/2", _F, _ORGANIC.format(51), "须超过全体组成人员的此比例"),
    ("quorum.committee", "1/2", _F, _COMMITTEE.format(22), "须超过组成人员的此比例"),
    ("majority.committee", "1/2", _F, _COMMITTEE.format(22), "须超过全体组成人员的此比例"),
    ("speech.npc.first", 10, Unit.MINUTES, _CONGRESS.format(65), "大会发言第一次"),
    ("speech.npc.second", 5, Unit.MINUTES, _CONGRESS.format(65), "大会发言第二次"),
    ("speech.npc.turns", 2, _C, _CONGRESS.format(65), "同一议题发言次数"),
    ("speech.presidium.first", 15, Unit.MINUTES, _CONGRESS.format(66), "主席团会议发言第一次"),
    ("speech.presidium.second", 10, Unit.MINUTES, _CONGRESS.format(66), "主席团会议发言第二次"),
    ("speech.presidium.turns", 2, _C, _CONGRESS.format(66), "同一议题发言次数"),
    ("speech.npcsc.first", 10, Unit.MINUTES, _STANDING.format(35), "常委会会议发言第一次"),
    ("speech.npcsc.extra", 5, Unit.MINUTES, _STANDING.format(35), "经同意可延长"),
    ("speech.npcsc.second", 5, Unit.MINUTES, _STANDING.format(35), "常委会会议发言第二次"),
    ("speech.npcsc.turns", 2, _C, _STANDING.format(35), "同一议题发言次数"),
    # Duties and records.
    ("contact.community", 2, _C, _MEASURES.format(30), "每年进社区次数下限"),
    ("absence.unapproved", 2, _C, _DEPUTIES.format(62), "未经批准缺席会议次数达到即提醒工作人员"),
    ("privacy.request", 15, Unit.DAYS, "个人信息保护法第50条；期限为产品所定", "处理个人信息请求"),
    ("record.log", 6, _M, "网络安全法（2016 文本）第21条", "网络日志留存时间下限"),
    # Notices.
    ("notice.nudge.every", 60, Unit.MINUTES, _PRODUCT, "对同一通知两次催办的最短间隔"),
    ("notice.review.kinds", ("公告", "系统通知"), Unit.CHOICES, _PRODUCT,
     "须由另一人审批的通知种类"),
    ("notice.urgent.share", "1/2", _F, _PRODUCT,
     "紧急通知的接收代表达到全体代表的此比例，即按“发至全体”由两人审批"),
    ("notice.ladder.wechat", 10, Unit.SECONDS, _PRODUCT, "重要以上：推送后无送达回执即发微信提醒"),
    ("notice.ladder.sms", 5, Unit.MINUTES, _PRODUCT, "紧急：推送后仍未读即发短信"),
    ("notice.ladder.call", 15, Unit.MINUTES, _PRODUCT, "紧急：推送后仍未读即列入电话通知名单"),
    ("notice.ladder.retry", 30, Unit.SECONDS, _PRODUCT, "对方繁忙时再试的间隔，逐次加倍"),
    ("notice.ladder.tries", 6, _C, _PRODUCT, "一级通知最多尝试次数"),
    # Check-in.
    ("checkin.hall.window", 10, Unit.SECONDS, _PRODUCT, "会场签到码更换间隔"),
    ("checkin.hall.windows", 2, _C, _PRODUCT, "除当前一期外，仍然有效的前几期会场码"),
    ("checkin.claim", 5, Unit.MINUTES, _PRODUCT, "扫会场码后完成登录并签到的时间，只可用一次"),
    ("checkin.person.life", 15, Unit.SECONDS, _PRODUCT, "手机个人码的有效时间"),
    ("checkin.opens", 120, Unit.MINUTES, _PRACTICE, "会前多久开始签到，会议可另定"),
    ("checkin.late", 1, Unit.MINUTES, _PRACTICE, "开会后多久起记为迟到，会议可另定"),
    ("checkin.clock", 5, Unit.SECONDS, _PRODUCT, "设备时钟偏差超过此值即予校正"),
    ("pass.key.overlap", 60, _D, _PRODUCT, "更换签名密钥后，旧密钥签发的码继续有效的时间"),
    ("bind.code.life", 24, Unit.HOURS, _PRODUCT,
     "纸质绑定码的有效时间；绑定仍须姓名、代表证号和短信验证"),
    # Faces. The numbers were measured on other people's pictures; see the guide before any of
    # them is moved, and measure anew on consenting deputies' own.
    ("face.verify.distance", "0.50", _T, _MEASURED, "本人与所称身份的特征距离上限"),
    ("face.verify.norm", "-3.0", _T, _MEASURED, "以全体已登记者为参照的归一分数上限，越低越像"),
    ("face.verify.alone", "0.40", _T, _MEASURED, "已登记人数不足以作参照时的距离上限"),
    ("face.cohort", 50, _C, _MEASURED, "可作参照的已登记人数下限"),
    ("face.identify", False, Unit.FLAG, _MEASURED,
     "是否由人脸提出姓名供本人或工作人员确认；识别东亚面孔误认率高，默认关闭"),
    ("face.identify.distance", "0.45", _T, _MEASURED, "提出姓名的距离上限，最多提出三人"),
    ("face.enrol.spread", "0.45", _T, _MEASURED, "登记照片相互间的距离上限"),
    ("face.enrol.twin.distance", "0.33", _T, _MEASURED, "与他人过于相似，须人工核对：距离"),
    ("face.enrol.twin.norm", "-5.0", _T, _MEASURED, "与他人过于相似，须人工核对：归一分数"),
    ("face.enrol.min", 3, _C, _MEASURED, "登记照片张数下限"),
    ("face.enrol.max", 5, _C, _PRODUCT, "登记照片张数上限"),
    ("face.life", 24, _M, _PRODUCT, "特征模板保存期限，届满即删"),
    ("face.challenge", 30, Unit.SECONDS, _PRODUCT, "完成动作的时间"),
    ("face.challenge.frames", 8, _C, _MEASURED, "一次验证所需的画面数下限"),
    ("face.challenge.turn", "0.45", _T, _MEASURED, "左右转头的幅度下限，平面照片达不到"),
    ("face.challenge.steady", "0.60", _T, _MEASURED, "同一次验证中画面之间的距离上限"),
    ("face.tries", 3, _C, _PRODUCT, "连续未通过的次数，达到即改用其他方式"),
    ("face.vendor.score", "0.67", _T, "服务商说明；由管理员按其最新文档核对", "委托比对的得分下限"),
    ("face.size", 100, _C, _MEASURED, "人脸短边的像素下限"),
    ("face.sharpness", "8.0", _T, _MEASURED, "清晰度下限（人脸缩至 150 像素后拉普拉斯方差）"),
    ("face.clipped", "0.1", _T, _MEASURED, "全黑或全白像素所占比例的上限"),
    ("face.dark", "45", _T, _MEASURED, "人脸平均亮度下限，0 至 255"),
    ("face.bright", "190", _T, _MEASURED, "人脸平均亮度上限"),
    # PRODUCT.md §2.1: no legal votes on phones.
    ("poll.binding", False, Unit.FLAG, "产品定型：手机不承担法定表决", "不可更改"),
)  # fmt: skip


def shipped_rules() -> tuple[RuleParam, ...]:
    """Answer the rows a new installation begins with."""
    rows = [_row(*row, valid_from=_SHIPPED) for row in _ROWS]
    rows.append(
        _row(
            "sugg.extend.hard",
            6,
            Unit.MONTHS,
            _DEPUTIES.format(51),
            "涉及面广、办理难度大的，自交办之日起；须向代表说明",
            valid_from=_REVISED,
        )
    )
    return tuple(rows)


def _row(
    key: str, value: Value, unit: Unit, source: str, note: str, *, valid_from: date
) -> RuleParam:
    return RuleParam(
        key=key,
        value=value,
        unit=unit,
        valid_from=valid_from,
        since=begin_of(valid_from),
        source=source,
        note=note,
    )
