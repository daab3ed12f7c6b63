/** The files of `millrace/` that opening goes by: whole, and no further than the log. */
import type { Checkpoint } from '../format/checkpoint.js'
import { isForgottenTable, isQueueTable, POSITION_BYTES, POSITION_SLOTS, type Position, readPosition } from '../format/position.js'
import { wholeFile } from './files.js'
import type { Findings } from './findings.js'

const POSITION = 'millrace/position'
const QUEUES = 'millrace/queues'
const FORGOTTEN = 'millrace/forgotten'

export class PositionChecks {
  readonly #findings: Findings
  readonly #slots = new Map<number, Position>()

  private constructor(findings: Findings) {
    this.#findings = findings
  }

  /** Before the log is read: who writes meanwhile moves them with it. */
  static async open(root: string, checkpoint: Checkpoint | undefined, findings: Findings): Promise<PositionChecks> {
    const checks = new PositionChecks(findings)
    const bytes = await wholeFile(root, POSITION, POSITION_BYTES, (problem) => checks.#found(POSITION, problem))
    for (const at of bytes === undefined ? [] : POSITION_SLOTS) {
      const position = readPosition(bytes as Buffer, at)
      if (position === 'damaged') checks.#found(POSITION, `the slot at byte ${at} is damaged`)
      // Whoever wrote to the store since has left another checkpoint: nobody goes by the position then.
      else if (position !== 'empty' && goesWith(position, checkpoint)) checks.#slots.set(at, position)
    }
    const table = await wholeFile(root, QUEUES, undefined, (problem) => checks.#found(QUEUES, problem))
    if (table !== undefined && !isQueueTable(table)) checks.#found(QUEUES, 'is no whole table of queues')
    const forgotten = await wholeFile(root, FORGOTTEN, undefined, (problem) => checks.#found(FORGOTTEN, problem))
    if (forgotten !== undefined && !isForgottenTable(forgotten)) checks.#found(FORGOTTEN, 'is no whole table of topics that were deleted')
    return checks
  }

  finish(logEnd: number): void {
    for (const [at, position] of this.#slots)
      for (const name of ['synced', 'dispatched'] as const)
        if (position[name] > logEnd)
          this.#found(POSITION, `the slot at byte ${at} says that the log is ${name} up to ${position[name]}; it ends at ${logEnd}`)
  }

  #found(path: string, problem: string): void {
    this.#findings.add({ part: 'position', path, problem })
  }
}

function goesWith(position: Position, checkpoint: Checkpoint | undefined): boolean {
  return (
    checkpoint !== undefined &&
    position.physicMsgTimestamp === checkpoint.physicMsgTimestamp &&
    position.logicsMsgTimestamp === checkpoint.logicsMsgTimestamp &&
    position.indexMsgTimestamp === checkpoint.indexMsgTimestamp
  )
}
