/** Recognising a face at the gate: one person's turn, from the code to what came of it.
 *
 * A turn has one number, which is said again however often it is tried and by whichever door it ends, so
 * that an answer that was lost is no second scan. Pictures are taken anew for each try, sent, and forgotten:
 * the hub takes none twice, and this device keeps none.
 */

import { ApiError } from '@daibiao/shared';
import type { Answer, Body, Rest } from '@daibiao/shared';
import { shallowReactive } from 'vue';
import type { InjectionKey } from 'vue';

import { nonce } from './bytes.js';
import type { ScanAnswer } from './handing.js';
import { Sight } from './sight.js';
import type { Device, State, Verdict } from './state.js';
import { FACE } from './words.js';

export type FaceHere = Answer<'GET', '/api/v1/gates/{gate}/face'>;
type Shown = Body<'POST', '/api/v1/gates/{gate}/face'>;
type Outcome = Answer<'POST', '/api/v1/gates/{gate}/face'>;
type Confirmed = Body<'POST', '/api/v1/gates/{gate}/face/confirmation'>;
export type Named = NonNullable<Outcome['people']>[number];
export type By = Confirmed['confirmed_by'];

/** Why a face was of no use; the other doors are open. */
export interface Refusal {
  readonly code: string;
  /** In the hub's own words. */
  readonly msg: string;
  /** Trying again may help, after so many seconds. */
  readonly again: boolean;
  readonly wait: number;
}

export type Phase =
  | { readonly at: 'waiting' }
  | { readonly at: 'looking'; readonly left: number }
  | { readonly at: 'asking' }
  | { readonly at: 'choosing'; readonly people: readonly Named[] }
  | { readonly at: 'refused'; readonly refusal: Refusal };

/** What the gate does for a face. */
export interface Hub {
  readonly state: State;
  ask<T>(asking: (rest: Rest, device: Device) => Promise<T>): Promise<T>;
  heard(answer: ScanAnswer): Promise<Verdict>;
}

/** A camera that is open: answers what it sees, as a JPEG, or nothing while it warms up. */
export type Camera = () => string | undefined;

interface Turn {
  readonly nonce: string;
  readonly code: string;
  /** Names that wait for somebody's word, and what proves that they were proposed. */
  proposal: string;
  chosen: { readonly person: string; readonly by: By } | undefined;
}

const FRAMES = 3;
const COUNT = 2;
const BEAT = 800;
const APART = 250;
const WARMING = 20;
const PROPOSED = 60_000;
/** Pictures take their time on a slow network, and the engine takes some of its own. */
const SLOW = { patience: 20_000 };
/** Where no gates were set up, any name will do. */
const NO_GATE = '-';
/** Refusals that hold for everybody here, not for one person. */
const SHUT: ReadonlySet<string> = new Set(['feature_off', 'assessment_required', 'not_configured']);

const WAITING: Phase = { at: 'waiting' };

/** What the view of faces is given; `trying` says what went wrong. */
export const FACE_DOOR: InjectionKey<{
  readonly door: FaceDoor;
  readonly state: State;
  readonly trying: (dealing: () => Promise<void>) => Promise<void>;
}> = Symbol('face door');

/** Ask what this gate may offer. */
export function faceHere(rest: Rest, device: Device): Promise<FaceHere> {
  return rest.get('/api/v1/gates/{gate}/face', { path: gateOf(device), query: { meeting_id: device.meetingId } });
}

/** Whether faces can be offered now: by the hub, and with a network. */
export const offersFaces = (state: State): boolean => state.link === 'up' && !!state.face?.available;

export class FaceDoor {
  readonly view = shallowReactive<{ phase: Phase }>({ phase: WAITING });
  private readonly sight = new Sight();
  private turn: Turn | undefined;
  private camera: Camera | undefined;

  constructor(
    private readonly hub: Hub,
    private readonly options: {
      readonly show: (verdict: Verdict) => void;
      readonly now?: () => number;
    },
  ) {}

  /** Whether whoever has the turn has shown a code. */
  get holdsCode(): boolean {
    return !!this.turn?.code;
  }

  /** Look through this camera from now on; answers how to stop. */
  look(camera: Camera): () => void {
    this.camera = camera;
    return () => {
      if (this.camera !== camera) return;
      this.camera = undefined;
      // What was asked is still answered, and what was refused still has to be read.
      if (['looking', 'choosing'].includes(this.view.phase.at)) this.drop();
    };
  }

  /** Somebody shows a code: their face is compared with it. */
  async show(code: string): Promise<void> {
    const fresh = this.sight.fresh(code, (this.options.now ?? Date.now)());
    if (fresh && code.trim() && this.view.phase.at === 'waiting') await this.begin(code);
  }

  /** Somebody has no code: names are proposed, where the rules allow it. */
  async propose(): Promise<void> {
    if (this.view.phase.at === 'waiting' && this.hub.state.face?.identify) await this.begin('');
  }

  /** Whose name it is was said, by them or by the staff. */
  async confirm(person: string, by: By): Promise<void> {
    const turn = this.turn;
    if (!turn || this.view.phase.at !== 'choosing') return;
    turn.chosen = { person, by };
    await this.put(turn);
  }

  /** Try the same turn again, with its number. */
  async again(): Promise<void> {
    const turn = this.turn;
    const { phase } = this.view;
    if (!turn || phase.at !== 'refused' || !phase.refusal.again) return;
    await (turn.chosen ? this.put(turn) : this.take(turn));
  }

  /** End the turn; what is handed to another door goes under the same number. */
  drop(): { readonly code: string; readonly nonce: string } | undefined {
    const turn = this.turn;
    this.turn = undefined;
    this.view.phase = WAITING;
    return turn?.code ? { code: turn.code, nonce: turn.nonce } : undefined;
  }

  private async begin(code: string): Promise<void> {
    this.turn = { nonce: nonce(), code, proposal: '', chosen: undefined };
    await this.take(this.turn);
  }

  private async take(turn: Turn): Promise<void> {
    for (let left = COUNT; left > 0; left--) {
      this.view.phase = { at: 'looking', left };
      await pause(BEAT);
      if (this.turn !== turn) return;
    }
    this.view.phase = { at: 'looking', left: 0 };
    const frames = await this.taken(turn);
    if (this.turn !== turn) return;
    if (frames.length === 0) this.refuse({ code: 'no_camera', msg: FACE.noCamera, again: true, wait: 0 });
    else await this.answered(turn, (rest, device) => rest.post('/api/v1/gates/{gate}/face', shown(turn, frames, device), to(device)));
  }

  private async taken(turn: Turn): Promise<string[]> {
    const frames: string[] = [];
    for (let tries = 0; frames.length < FRAMES && tries < WARMING; tries++) {
      if (this.turn !== turn || !this.camera) return [];
      const picture = this.camera();
      if (picture) frames.push(picture);
      if (frames.length < FRAMES) await pause(APART);
    }
    return frames;
  }

  private put(turn: Turn): Promise<void> {
    return this.answered(turn, async (rest, device) => ({
      scan: await rest.post('/api/v1/gates/{gate}/face/confirmation', confirmed(turn, device), to(device)),
    }));
  }

  private async answered(turn: Turn, asking: (rest: Rest, device: Device) => Promise<Outcome>): Promise<void> {
    this.view.phase = { at: 'asking' };
    try {
      const outcome = await this.hub.ask(asking);
      if (outcome.scan) await this.passed(turn, outcome.scan);
      else if (this.turn === turn) this.choose(turn, outcome);
    } catch (error) {
      if (!(error instanceof ApiError)) {
        this.drop();
        throw error;
      }
      if (this.turn === turn) this.refused(turn, error);
    }
  }

  private async passed(turn: Turn, scan: ScanAnswer): Promise<void> {
    if (this.turn === turn) this.drop();
    this.options.show(await this.hub.heard(scan));
  }

  private choose(turn: Turn, { people = [], proposal }: Outcome): void {
    if (people.length === 0 || !proposal) {
      this.refuse({ code: 'nobody', msg: FACE.nobody, again: true, wait: 0 });
      return;
    }
    if (!this.camera) {
      // The view was left meanwhile: nobody would see the names, and nobody is in by them.
      this.drop();
      return;
    }
    turn.proposal = proposal;
    const choosing: Phase = { at: 'choosing', people };
    this.view.phase = choosing;
    // The hub forgets what it has proposed; names do not stay on the screen for longer.
    void pause(PROPOSED).then(() => this.view.phase === choosing && this.drop());
  }

  private refused(turn: Turn, error: ApiError): void {
    const { state } = this.hub;
    if (SHUT.has(error.code)) state.face = { available: false, reason: error.code, identify: false };
    if (error.code === 'identify_off' && state.face) state.face = { ...state.face, identify: false };
    // A proposal that is over is not confirmed again, but made again.
    if (error.code === 'proposal_dead') turn.chosen = undefined;
    this.refuse({ code: error.code, msg: error.message, again: mayHelp(error), wait: error.retryAfter ?? 0 });
  }

  private refuse(refusal: Refusal): void {
    this.view.phase = { at: 'refused', refusal };
  }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Whether the same person may be luckier: another picture, a network, an engine that is not busy. */
function mayHelp(error: ApiError): boolean {
  if (SHUT.has(error.code)) return false;
  const picture = error.field?.startsWith('frames') ?? false;
  return picture || error.unreachable || error.status >= 500 || error.status === 429 || error.code === 'proposal_dead';
}

const gateOf = (device: Device): { readonly gate: string } => ({ gate: device.gate || NO_GATE });
const to = (device: Device): { readonly path: { readonly gate: string }; readonly patience: number } => ({ path: gateOf(device), ...SLOW });

function shown(turn: Turn, frames: string[], device: Device): Shown {
  return { meeting_id: device.meetingId, nonce: turn.nonce, frames, code: turn.code, dir: device.dir };
}

function confirmed(turn: Turn, device: Device): Confirmed {
  const { person, by } = turn.chosen ?? { person: '', by: 'staff' };
  return { meeting_id: device.meetingId, nonce: turn.nonce, proposal: turn.proposal, person_id: person, confirmed_by: by, dir: device.dir };
}
