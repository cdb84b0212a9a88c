// Written by scripts/generate from docs/reference/asyncapi.json. Do not edit.

/** A deputy has missed as many sessions without leave as the law allows none to. */
export interface AbsenceAlert {
  readonly id: string;
  readonly type: 'absence.alert';
  readonly v: number;
  readonly at: string;
  readonly person_id: string;
  readonly sessions: number;
}

/** An account has a new state. */
export interface AccountChanged {
  readonly id: string;
  readonly type: 'account.state';
  readonly v: number;
  readonly at: string;
  readonly state: AccountState;
}

/** States of an account, PRODUCT.md §2.3. */
export type AccountState = 'imported' | 'invited' | 'bound' | 'active' | 'locked' | 'suspended' | 'ended' | 'erased';

/** Items of a published agenda changed: added, reordered, done, postponed; fetch it again. */
export interface AgendaChanged {
  readonly id: string;
  readonly type: 'agenda.changed';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
}

/** The meeting has come to an item of its agenda, or to none. */
export interface AgendaPointer {
  readonly id: string;
  readonly type: 'agenda.pointer';
  readonly v: number;
  readonly at: string;
  readonly item_id: string | null;
  readonly title: string;
}

/** People were marked; of each person the line with the newest `v` holds. */
export interface AttendanceMarked {
  readonly id: string;
  readonly type: 'attendance';
  readonly v: number;
  readonly at: string;
  readonly lines: readonly (Line)[];
}

/** Many failed attempts in a short time; `kind` says of what. It names nobody. */
export interface AuthBurst {
  readonly id: string;
  readonly type: 'auth.burst';
  readonly v: number;
  readonly at: string;
  readonly kind: string;
  readonly count: number;
  readonly seconds: number;
}

/** The order of the receiver was carried out. */
export interface BulkDone {
  readonly id: string;
  readonly type: 'bulk.done';
  readonly v: number;
  readonly at: string;
  readonly order: string;
  readonly action: string;
  readonly done: number;
  readonly failed: number;
}

/** In which capacity somebody takes part. */
export type Capacity = 'member' | 'attend' | 'observe' | 'staff';

/** A card among the receiver's favourites has changed. */
export interface CardChanged {
  readonly id: string;
  readonly type: 'card.changed';
  readonly v: number;
  readonly at: string;
  readonly person_id: string;
}

/** Somebody passed a door again who is in, or out, already. */
export interface CheckInDup {
  readonly id: string;
  readonly type: 'checkin.dup';
  readonly v: number;
  readonly at: string;
  readonly scan_id: string;
  readonly meeting_id: string;
  readonly person_id: string | null;
  readonly gate: string;
  readonly way: Way;
  readonly dir: Direction;
  readonly result: Result;
  readonly offline: boolean;
  readonly conflict: boolean;
  readonly first_at: string | null;
  readonly first_gate: string;
}

/** Somebody was refused at a door. */
export interface CheckInFail {
  readonly id: string;
  readonly type: 'checkin.fail';
  readonly v: number;
  readonly at: string;
  readonly scan_id: string;
  readonly meeting_id: string;
  readonly person_id: string | null;
  readonly gate: string;
  readonly way: Way;
  readonly dir: Direction;
  readonly result: Result;
  readonly offline: boolean;
  readonly conflict: boolean;
}

/** Somebody passed a door. */
export interface CheckInOk {
  readonly id: string;
  readonly type: 'checkin.ok';
  readonly v: number;
  readonly at: string;
  readonly scan_id: string;
  readonly meeting_id: string;
  readonly person_id: string | null;
  readonly gate: string;
  readonly way: Way;
  readonly dir: Direction;
  readonly result: Result;
  readonly offline: boolean;
  readonly conflict: boolean;
}

/** A notice and the answer to it. */
export interface ConfirmDraft {
  readonly reply: Reply;
  readonly fields: Readonly<Record<string, string>>;
  readonly id: string;
}

/** A countdown was started, paused, prolonged or stopped; its end is on the hub's clock. */
export interface CountdownChanged {
  readonly id: string;
  readonly type: 'countdown';
  readonly v: number;
  readonly at: string;
  readonly status: Ticking;
  readonly label: string;
  readonly total_s: number;
  readonly ends_at: string | null;
  readonly left_ms: number | null;
}

/** Somebody logged in with a device that this person has not used before. */
export interface DeviceNew {
  readonly id: string;
  readonly type: 'device.new';
  readonly v: number;
  readonly at: string;
  readonly device_id: string;
  readonly name: string;
}

/** A device was let in, or its token was taken back. */
export interface DeviceState {
  readonly id: string;
  readonly type: 'device.state';
  readonly v: number;
  readonly at: string;
  readonly device_id: string;
  readonly role: Role;
  readonly state: 'issued' | 'revoked';
}

/** Which way somebody passes. */
export type Direction = 'in' | 'out';

/** One has a new duty record; announced once for each. */
export interface DutyNew {
  readonly id: string;
  readonly type: 'duty.new';
  readonly v: number;
  readonly at: string;
  readonly record_id: string;
  readonly meeting_id: string;
  readonly kind: string;
  readonly title: string;
}

/** Why a template was deleted. */
export type End = 'withdrawn' | 'deleted' | 'refused' | 'expired' | 'ended';

/** The copy the receiver asked for can be fetched. */
export interface ExportReady {
  readonly id: string;
  readonly type: 'export.ready';
  readonly v: number;
  readonly at: string;
  readonly job_id: string;
}

/** Nothing is kept of the receiver's face any more. */
export interface FaceDeleted {
  readonly id: string;
  readonly type: 'face.deleted';
  readonly v: number;
  readonly at: string;
  readonly reason: End;
}

/** The receiver can be recognised from now on; `state` is `held` until somebody decides. */
export interface FaceEnrolled {
  readonly id: string;
  readonly type: 'face.enrolled';
  readonly v: number;
  readonly at: string;
  readonly state: TemplateState;
}

/** A feature was switched; ask `GET /api/v1/flags` after a gap. */
export interface FlagChanged {
  readonly id: string;
  readonly type: 'flag';
  readonly v: number;
  readonly at: string;
  readonly key: string;
  readonly on: boolean;
}

/** A break-glass window was asked for, approved, opened, closed or refused. */
export interface GlassMoved {
  readonly id: string;
  readonly type: 'break_glass.moved';
  readonly v: number;
  readonly at: string;
  readonly glass_id: string;
  readonly state: GlassState;
  readonly person_id: string;
  readonly obj: string;
  readonly open_until: string | null;
}

/** States of a break-glass window. */
export type GlassState = 'asked' | 'approved' | 'open' | 'closed' | 'refused';

/** States of a role grant, PRODUCT.md §5 M10. */
export type GrantState = 'asked' | 'granted' | 'ended' | 'refused';

/** Notices, up to a hundred at once. */
export interface IdsDraft {
  readonly ids: readonly (string)[];
}

/** What sort of notice it is. */
export type Kind = '会议通知' | '活动通知' | '公告' | '紧急通知' | '资料通知' | '系统通知';

/** A request for leave was approved or refused. */
export interface LeaveDecided {
  readonly id: string;
  readonly type: 'leave.decided';
  readonly v: number;
  readonly at: string;
  readonly leave_id: string;
  readonly meeting_id: string;
  readonly person_id: string;
  readonly kind: LeaveKind;
  readonly state: LeaveState;
}

/** Why, in one word. */
export type LeaveKind = 'sick' | 'duty' | 'other';

/** Somebody asks for leave, takes it back, goes or returns; without the reason. */
export interface LeaveRequest {
  readonly id: string;
  readonly type: 'leave.request';
  readonly v: number;
  readonly at: string;
  readonly leave_id: string;
  readonly meeting_id: string;
  readonly person_id: string;
  readonly kind: LeaveKind;
  readonly state: LeaveState;
}

/** States of a request, PRODUCT.md F07. */
export type LeaveState = 'draft' | 'submitted' | 'approved' | 'refused' | 'withdrawn' | 'effective' | 'returned';

/** A record as it is announced. */
export interface Line {
  readonly person_id: string;
  readonly capacity: string;
  readonly state: Presence;
  readonly at: string;
  readonly how: string;
  readonly v: number;
}

/** Somebody took a list out of the house. */
export interface ListExported {
  readonly id: string;
  readonly type: 'list.exported';
  readonly v: number;
  readonly at: string;
  readonly list: string;
  readonly by: string;
  readonly reason: string;
  readonly count: number;
}

/** The instants of one receipt; the first of each kind holds. */
export interface MarkView {
  readonly notice_id: string;
  readonly delivered_at: string | null;
  readonly read_at: string | null;
  readonly confirmed_at: string | null;
}

/** What is on record now; `missing` are notices that did not go to this person. */
export interface MarksView {
  readonly receipts: readonly (MarkView)[];
  readonly missing: readonly (string)[];
  readonly unread: number | null;
}

/** Something about a meeting changed: time, place, agenda, state; fetch it again. */
export interface MeetingChanged {
  readonly id: string;
  readonly type: 'meeting.changed';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly state: MeetingState;
}

/** A meeting went into another state. */
export interface MeetingMoved {
  readonly id: string;
  readonly type: 'mtg.state';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly state: MeetingState;
}

/** States of a meeting, PRODUCT.md F05. */
export type MeetingState = 'planned' | 'announced' | 'registration' | 'ready' | 'in_session' | 'paused' | 'closed' | 'archived' | 'cancelled';

/** What is asked of the reader. */
export type Mode = 'none' | 'read' | 'confirm';

/** Who the connection belongs to, as the house sees them now. */
export interface Myself {
  readonly id: string;
  readonly name: string;
  readonly state: AccountState;
  readonly roles: readonly (string)[];
}

/** Parameters of a method that takes none. */
export type Nothing = Readonly<Record<string, never>>;

/** A notice for everybody in a meeting has come. */
export interface NoticeLive {
  readonly id: string;
  readonly type: 'notice.live';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly priority: Priority;
  readonly title: string;
}

/** A notice of one's own was approved, rejected, published or could not be. */
export interface NoticeMoved {
  readonly id: string;
  readonly type: 'notice.state';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly state: State;
  readonly reason: string;
}

/** A notice has come; `supersedes` names the version it takes the place of. */
export interface NoticeNew {
  readonly id: string;
  readonly type: 'notice.new';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly kind: Kind;
  readonly priority: Priority;
  readonly title: string;
  readonly mode: Mode;
  readonly confirm_by: string | null;
  readonly supersedes: string | null;
}

/** Somebody who has not read a notice is asked to (催办). */
export interface NoticeNudged {
  readonly id: string;
  readonly type: 'notice.nudge';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly priority: Priority;
  readonly title: string;
}

/** A tombstone: take the notice off the screen and forget what it said. */
export interface NoticeRecalled {
  readonly id: string;
  readonly type: 'notice.recalled';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly reason: string;
}

/** How a notice would look, for its author alone. */
export interface NoticeTested {
  readonly id: string;
  readonly type: 'notice.test';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly kind: Kind;
  readonly priority: Priority;
  readonly title: string;
}

/** A notice no longer holds as it was: superseded by `by`, or expired. */
export interface NoticeUpdated {
  readonly id: string;
  readonly type: 'notice.updated';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly state: State;
  readonly by: string | null;
}

/** The hub's clock, so that countdowns agree on every phone. */
export interface Now {
  readonly now: string;
}

/** An opinion must be reported on soon. */
export interface OpinionDue {
  readonly id: string;
  readonly type: 'opinion.due';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly opinion_id: string;
  readonly due: string;
  readonly days_left: number;
}

/** An opinion took a step. */
export interface OpinionMoved {
  readonly id: string;
  readonly type: 'opinion.state';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly opinion_id: string;
  readonly state: OpinionState;
}

/** An opinion was not reported on in time. */
export interface OpinionOverdue {
  readonly id: string;
  readonly type: 'opinion.overdue';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly opinion_id: string;
  readonly org_id: string;
  readonly due: string;
}

/** States of an opinion, PRODUCT.md F05. */
export type OpinionState = 'collected' | 'sent' | 'handling' | 'reported' | 'reviewed';

/** What was declared. */
export type Outcome = 'passed' | 'failed' | 'shelved';

/** A paper was put on the agenda of a meeting; fetch the agenda for whether it is for you. */
export interface PaperAdded {
  readonly id: string;
  readonly type: 'doc.added';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly item_id: string;
  readonly paper_id: string;
}

/** A paper has a new version `v`; the former one is not handed out any more. */
export interface PaperReplaced {
  readonly id: string;
  readonly type: 'doc.replaced';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly item_id: string;
  readonly paper_id: string;
}

/** What is on record of somebody. */
export type Presence = 'present' | 'late' | 'left' | 'absent' | 'void';

/** How far the notification ladder (PRODUCT.md §2.6) goes. */
export type Priority = '普通' | '重要' | '紧急';

/** A change of the receiver's profile was verified and is now on the card. */
export interface ProfileApplied {
  readonly id: string;
  readonly type: 'profile.applied';
  readonly v: number;
  readonly at: string;
  readonly field: ProfileField;
}

/** What cannot be changed without somebody verifying it. */
export type ProfileField = 'work_unit' | 'post' | 'phone';

/** A change of the receiver's profile was refused; the reason is on the change. */
export interface ProfileRefused {
  readonly id: string;
  readonly type: 'profile.refused';
  readonly v: number;
  readonly at: string;
  readonly field: ProfileField;
}

/** Somebody was added to those who wait to speak, or left them. */
export interface QueueChanged {
  readonly id: string;
  readonly type: 'speech.queue';
  readonly v: number;
  readonly at: string;
  readonly waiting: readonly (Turn)[];
}

/** Enough are present now, or not any more: said once for each time that changes. */
export interface QuorumChanged {
  readonly id: string;
  readonly type: 'quorum';
  readonly v: number;
  readonly at: string;
  readonly present: number;
  readonly total: number;
  readonly needed: number;
  readonly reached: boolean;
}

/** More or fewer are present than before; of several, only the newest matters. */
export interface QuorumCounted {
  readonly id: string;
  readonly type: 'quorum.count';
  readonly v: number;
  readonly at: string;
  readonly present: number;
  readonly total: number;
  readonly needed: number;
  readonly reached: boolean;
}

/** How far a notice has come; at most once a second, and only when it changed. On the staff channel of the meeting it belongs to, otherwise on its author's. */
export interface ReceiptCounted {
  readonly id: string;
  readonly type: 'receipt.count';
  readonly v: number;
  readonly at: string;
  readonly notice_id: string;
  readonly total: number;
  readonly pushed: number;
  readonly delivered: number;
  readonly read: number;
  readonly confirmed: number;
  readonly failed: number;
}

/** How a reader answers where confirmation is asked for. */
export type Reply = 'join' | 'leave' | 'other';

/** What came of a scan, PRODUCT.md F12. */
export type Result = 'ok' | 'needs_attention' | 'already_in' | 'already_out' | 'unknown' | 'bad_signature' | 'expired_window' | 'wrong_meeting' | 'wrong_gate' | 'not_invited' | 'not_yet' | 'too_late' | 'revoked' | 'blocked' | 'on_leave' | 'suspended' | 'claim_used' | 'face_mismatch' | 'offline_unverified';

/** A result declared in the hall has been typed and confirmed by two persons. */
export interface ResultDeclared {
  readonly id: string;
  readonly type: 'item.result';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly item_id: string;
  readonly outcome: Outcome;
  readonly tally: Tally | null;
  readonly label: string;
}

/** What a person is to the hub. One person may hold several roles, each with its scopes. */
export type Role = 'deputy' | 'liaison' | 'cmte_staff' | 'motion_clerk' | 'gov_dispatch' | 'unit' | 'unit_head' | 'mtg_staff' | 'moderator' | 'editor' | 'admin' | 'ops' | 'auditor' | 'guest' | 'scanner' | 'screen';

/** A person's roles changed; what they may do must be asked for again. */
export interface RoleChanged {
  readonly id: string;
  readonly type: 'role.changed';
  readonly v: number;
  readonly at: string;
  readonly role: Role;
  readonly state: GrantState;
}

/** The screen in the hall shows something else. */
export interface SceneChanged {
  readonly id: string;
  readonly type: 'screen.scene';
  readonly v: number;
  readonly at: string;
  readonly scene: SceneName;
  readonly ref: string | null;
}

/** What the screen in the hall shows. */
export type SceneName = 'idle' | 'welcome' | 'agenda' | 'quorum' | 'countdown' | 'speaker' | 'poll' | 'hall_code';

/** Somebody opens cards faster than a person reads. */
export interface ScrapingAlarm {
  readonly id: string;
  readonly type: 'directory.scraping';
  readonly v: number;
  readonly at: string;
  readonly person_id: string;
  readonly limit: number;
}

/** A seat at a meeting. */
export interface Seat {
  readonly no: string;
  readonly row: number;
  readonly col: number;
  readonly block: string;
  readonly state: SeatState;
  readonly person_id: string | null;
  readonly at: string;
  readonly v: number;
}

/** Seats were given, freed, taken or laid out; of each the newest `v` holds. */
export interface SeatChanged {
  readonly id: string;
  readonly type: 'seat.changed';
  readonly v: number;
  readonly at: string;
  readonly seats: readonly (Seat)[];
}

/** States of a seat, PRODUCT.md §5 M04. */
export type SeatState = 'free' | 'assigned' | 'taken' | 'removed';

/** A login session ended before its time; `reason` is one of a few stable words. */
export interface SessionRevoked {
  readonly id: string;
  readonly type: 'session.revoked';
  readonly v: number;
  readonly at: string;
  readonly session_id: string;
  readonly reason: string;
}

/** One's sign-up was accepted: at once, or because somebody made room. */
export interface SignUpChanged {
  readonly id: string;
  readonly type: 'signup.state';
  readonly v: number;
  readonly at: string;
  readonly meeting_id: string;
  readonly capacity: Capacity;
  readonly state: SignUpState;
}

/** What became of a sign-up. */
export type SignUpState = 'accepted' | 'waiting' | 'cancelled';

/** Somebody has the floor, has more time, or has finished. Chime at `ends_at`. */
export interface SpeakingChanged {
  readonly id: string;
  readonly type: 'speech.now';
  readonly v: number;
  readonly at: string;
  readonly turn: Turn | null;
  readonly started_at: string | null;
  readonly ends_at: string | null;
  readonly extended: boolean;
}

/** States of a notice, F02. */
export type State = 'draft' | 'in_review' | 'rejected' | 'approved' | 'scheduled' | 'published' | 'superseded' | 'recalled' | 'expired';

/** The numbers as they were read out. */
export interface Tally {
  readonly yes: number;
  readonly no: number;
  readonly abstain: number;
}

/** States of a template; `none` is the absence of one. */
export type TemplateState = 'none' | 'active' | 'held';

/** What a countdown does. */
export type Ticking = 'idle' | 'running' | 'paused';

/** Something was added to or taken from the receiver's list; ask for it again. */
export interface TodoChanged {
  readonly id: string;
  readonly type: 'todo';
  readonly v: number;
  readonly at: string;
}

/** Somebody who waits to speak, or speaks. Attributes: turn: Which time it is that the person speaks on the item, from 1. limit_s: Seconds they have. */
export interface Turn {
  readonly id: string;
  readonly person_id: string;
  readonly name: string;
  readonly item_id: string | null;
  readonly turn: number;
  readonly limit_s: number;
  readonly asked_at: string;
}

/** How many notices wait unread; `read` lists those that were just read somewhere. */
export interface Unread {
  readonly id: string;
  readonly type: 'unread';
  readonly v: number;
  readonly at: string;
  readonly count: number;
  readonly read: readonly (string)[];
}

/** By which door; what stands in `how` of the attendance record. */
export type Way = 'hall' | 'person' | 'badge' | 'face' | 'manual' | 'import' | 'unread';

/** What may be heard, by namespace. */
export interface ChannelEvents {
  /** 一个人的全部私人消息，连接时由服务器订阅。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  user: AccountChanged | GlassMoved | BulkDone | CardChanged | CheckInOk | DeviceNew | DutyNew | ExportReady | FaceDeleted | FaceEnrolled | LeaveDecided | NoticeNew | NoticeNudged | NoticeRecalled | NoticeMoved | NoticeTested | NoticeUpdated | ProfileApplied | ProfileRefused | ReceiptCounted | RoleChanged | SessionRevoked | SignUpChanged | TodoChanged | Unread;
  /** 一个代表团。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  deleg: MeetingChanged;
  /** 一个代表小组。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  group: never;
  /** 一个委员会。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  cmte: MeetingChanged;
  /** 常委会组成人员及其工作人员。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  npcsc: MeetingChanged;
  /** 一次会议的全体参加人员。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  mtg: AgendaChanged | AgendaPointer | CountdownChanged | PaperAdded | PaperReplaced | ResultDeclared | MeetingChanged | MeetingMoved | NoticeLive | NoticeRecalled | QuorumChanged | QuorumCounted | SeatChanged | SpeakingChanged | QueueChanged;
  /** 一次会议的会务人员。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  mtgstaff: AbsenceAlert | AgendaChanged | AgendaPointer | AttendanceMarked | CheckInDup | CheckInFail | CheckInOk | CountdownChanged | DeviceState | PaperAdded | PaperReplaced | ResultDeclared | LeaveDecided | LeaveRequest | MeetingChanged | MeetingMoved | OpinionDue | OpinionOverdue | OpinionMoved | QuorumChanged | QuorumCounted | ReceiptCounted | SceneChanged | SeatChanged | SpeakingChanged | QueueChanged;
  /** 一次会议的会场屏幕；订阅的应答带有当前状态。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  mtgscreen: AgendaPointer | CountdownChanged | ResultDeclared | QuorumChanged | QuorumCounted | SceneChanged | SpeakingChanged;
  /** 互动专区的一个房间。断线可补齐（保留 10000 条 / 24 小时）；可查看在线人员；跟不上时退订后续传。 */
  room: never;
  /** 一个房间的主持人。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  roommod: never;
  /** 一个承办单位的待办。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  queue: OpinionDue | OpinionOverdue | OpinionMoved;
  /** 议案建议工作台。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  desk: never;
  /** 一场直播的观众。跟不上时跳过。 */
  live: never;
  /** 人大新闻。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  news: never;
  /** 系统通知：维护、刷新、功能开关。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  sys: FlagChanged;
  /** 统计指标。只保留最新。 */
  dash: GlassMoved | ListExported | OpinionOverdue;
  /** 运行状态、告警、巡检。断线可补齐（保留 10000 条 / 24 小时）；跟不上时退订后续传。 */
  ops: AuthBurst | ScrapingAlarm;
}

/** Names of channels. */
export type ChannelName =
  | `user:${string}`
  | `deleg:${string}`
  | `group:${string}`
  | `cmte:${string}`
  | 'npcsc'
  | `mtg:${string}`
  | `mtgstaff:${string}`
  | `mtgscreen:${string}`
  | `room:${string}`
  | `roommod:${string}`
  | `queue:${string}`
  | `desk:${string}`
  | `live:${string}`
  | 'news'
  | 'sys'
  | 'dash'
  | 'ops';

/** What may be asked over the connection. */
export interface Methods {
  /** Confirm a notice and answer its form. */
  'notice.confirm': { params: ConfirmDraft; result: MarksView };
  /** Say that notices have arrived on this device. */
  'notice.delivered': { params: IdsDraft; result: MarksView };
  /** Say that notices were read; the badge on other devices follows. */
  'notice.read': { params: IdsDraft; result: MarksView };
  /** Answer the hub's time. */
  'clock.now': { params: Nothing; result: Now };
  /** Answer who is connected. */
  'person.me': { params: Nothing; result: Myself };
}
