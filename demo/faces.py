"""Face recognition in the demo: assessed by one administrator, approved by another, switched on.

Nobody is enrolled, because nobody here has a face: a visitor enrols with the camera or pictures of
their own. The assessment is an example of what an office would write, and no advice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain.clock import NewId
from domain.faces.assessments import Assessment, Said
from domain.faces.module import FLAG
from domain.flags import FlagState
from storage.client import Database
from storage.faces.assessments import AssessmentStore
from storage.flags import FlagStore

_SAID = {
    "title": "会议签到与登录使用人脸识别的影响评估（示例）",
    "purpose": (
        "处理目的：会议签到和登录时核对本人。处理方式：本人现场拍摄，服务器提取特征后即弃照片，"
        "仅保存加密模板；一比一核对，不作一对多检索。签到码、代表证、人工核对始终同等可用，"
        "故本项处理以本人单独同意为前提，不以提高效率为由强制。"
    ),
    "impact": (
        "对个人权益的影响：人脸属敏感个人信息，特征泄露后不可更改；识别存在误差，公开测量显示对不同"
        "人群误认率不同，可能造成本人被拒或他人被误认。安全风险：模板库被窃、照片在传输中被截、"
        "以照片或视频冒充。"
    ),
    "measures": (
        "保护措施：传输加密；不存照片；模板以独立密钥加密，密钥不入数据库；随机动作核验，三次未通过即改用"
        "其他方式；撤回同意六十秒内删除，恢复备份时重新执行删除；阈值由两人变更并留痕；过于相似的登记由"
        "人工核对。措施与风险程度相适应；对录制视频、换脸、面具不作保证，重要环节有工作人员在场。"
    ),
    "conclusion": "在上述限度内可以使用；一年内或处理方式变化时重新评估。",
}


async def assess(db: Database, new_id: NewId, *, base: datetime, people: Mapping[str, str]) -> None:
    """Put the module into use; ``people`` are ids by user name."""
    made, approved = base - timedelta(days=40), base - timedelta(days=38)
    first, second = people["yinchuanci"], people["wenjingcheng"]
    await AssessmentStore(db).add(
        Assessment(
            id=new_id(),
            said=Said(**_SAID, until=base + timedelta(days=325)),
            made_at=made,
            made_by=first,
            approved_at=approved,
            approved_by=second,
        )
    )
    state = FlagState(key=FLAG, on=True, reason="演示", changed_by=first, changed_at=approved, v=1)
    await FlagStore(db).put(state, was=0)
