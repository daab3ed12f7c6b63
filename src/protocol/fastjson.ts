/**
 * The JSON that fastjson writes and reads in RocketMQ's bodies: ordinary JSON, but in the place of a key may stand a number, or a whole value.
 *
 *   {0:"10.0.0.1:10911"}    {"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"maxOffset":1,"minOffset":0}}}
 *
 * An object all of whose keys are text is a plain object here, any other a Map, whose keys are numbers and values. Integers beyond 2^53 are bigints.
 */

export type FastjsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly FastjsonValue[]
  | { readonly [name: string]: FastjsonValue }
  | ReadonlyMap<FastjsonValue, FastjsonValue>

/** What JSON.parse would round, or take for another thing than fastjson does. */
const NEEDS_OWN_PARSER = /\d{16}|\$ref/
/** Deeper is nobody's body, and would overflow the stack. */
const MAX_DEPTH = 256
/** More are no number of Java's, and take long to be made one. */
const MAX_DIGITS = 40

export function parseFastjson(text: string): FastjsonValue {
  if (!NEEDS_OWN_PARSER.test(text)) {
    try {
      return JSON.parse(text) as FastjsonValue
    } catch {
      // The dialect, or no JSON at all: the other parser says what.
    }
  }
  return new Parser(text).whole()
}

class Parser {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  whole(): FastjsonValue {
    const value = this.#value()
    this.#blanks()
    if (this.#at < this.#text.length) throw this.#unexpected()
    return value
  }

  #value(): FastjsonValue {
    this.#blanks()
    const first = this.#text[this.#at]
    if (first === '{') return this.#nested(() => this.#object())
    if (first === '[') return this.#nested(() => this.#array())
    if (first === '"' || first === "'") return this.#string(first)
    return this.#word()
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} objects and arrays within each other`)
    this.#at++
    const value = parse()
    this.#depth--
    return value
  }

  #object(): FastjsonValue {
    const entries: [FastjsonValue, FastjsonValue][] = []
    let named = true
    while (!this.#took('}')) {
      const key = this.#key()
      if (typeof key !== 'string') named = false
      if (key === '$ref') throw new SyntaxError('a reference ($ref), which no body of RocketMQ has')
      if (!this.#took(':')) throw this.#unexpected()
      entries.push([key, this.#value()])
      if (!this.#took(',') && !this.#ahead('}')) throw this.#unexpected()
    }
    return named ? (Object.fromEntries(entries as [string, FastjsonValue][]) as { [name: string]: FastjsonValue }) : new Map(entries)
  }

  #array(): FastjsonValue[] {
    const values: FastjsonValue[] = []
    while (!this.#took(']')) {
      values.push(this.#value())
      if (!this.#took(',') && !this.#ahead(']')) throw this.#unexpected()
    }
    return values
  }

  /** Text, a number, a whole value, or a name without quotes. */
  #key(): FastjsonValue {
    this.#blanks()
    const name = this.#match(/[A-Za-z_$][\w$]*/y)
    return name ?? this.#value()
  }

  #string(quoteMark: string): string {
    const from = this.#at
    let at = from + 1
    let escaped = false
    for (; this.#text[at] !== quoteMark; at++) {
      if (at >= this.#text.length) throw new SyntaxError(`a text that begins at ${from} and does not end`)
      if (this.#text[at] === '\\') {
        escaped = true
        at++
      }
    }
    this.#at = at + 1
    const inner = this.#text.slice(from + 1, at)
    return escaped ? inner.replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\s\S])/g, (_, sequence: string) => unescaped(sequence)) : inner
  }

  #word(): FastjsonValue {
    const number = this.#match(/-?\d+(\.\d+)?([eE][+-]?\d+)?[LFDlfd]?/y)
    if (number !== undefined) {
      if (number.length > MAX_DIGITS) throw new SyntaxError(`a number of ${number.length} characters`)
      const digits = number.replace(/[LFDlfd]$/, '')
      return /^-?\d+$/.test(digits) && !Number.isSafeInteger(Number(digits)) ? BigInt(digits) : Number(digits)
    }
    const word = this.#match(/true|false|null|NaN/y)
    if (word === undefined) throw this.#unexpected()
    return word === 'true' ? true : word === 'false' ? false : null
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #took(character: string): boolean {
    if (!this.#ahead(character)) return false
    this.#at++
    return true
  }

  #ahead(character: string): boolean {
    this.#blanks()
    return this.#text[this.#at] === character
  }

  #blanks(): void {
    this.#match(/(\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y)
  }

  #unexpected(): SyntaxError {
    const found = this.#text[this.#at]
    return new SyntaxError(found === undefined ? 'ends too early' : `${JSON.stringify(found)} at ${this.#at}`)
  }
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function unescaped(sequence: string): string {
  if (sequence.length > 1) return String.fromCharCode(Number.parseInt(sequence.slice(1), 16))
  if (/[0-7]/.test(sequence)) return String.fromCharCode(Number(sequence))
  return escapes[sequence] ?? sequence
}

/** An object is a bean: its properties in the order of the alphabet, without those that are null. A Map's entries stay as they are, an array's and a Set's items too. */
export function writeFastjson(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (value === null || value === undefined) return 'null'
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value) || value instanceof Set) return `[${Array.from(value, writeFastjson).join(',')}]`
  if (value instanceof Map) return `{${Array.from(value, ([key, item]) => `${writeFastjson(key)}:${writeFastjson(item)}`).join(',')}}`
  const parts: string[] = []
  for (const [name, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    if (item !== null && item !== undefined) parts.push(`${quote(name)}:${writeFastjson(item)}`)
  return `{${parts.join(',')}}`
}

/** The same as fastjson writes files: a line for each entry, a tab for each level; but a Map whose keys are numbers on one line. */
export function writeFastjsonLines(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Set) return writeFastjson(value)
  const deeper = `${indent}\t`
  const line = ([name, item]: [string, unknown]) => `${deeper}${quote(name)}:${writeFastjsonLines(item, deeper)}`
  const lines: string[] = []
  if (value instanceof Map) {
    if (value.size === 0) return '{}'
    if (typeof value.keys().next().value === 'number') return `${writeFastjson(value).slice(0, -1)}\n${indent}}`
    for (const entry of value as Map<string, unknown>) lines.push(line(entry))
  } else {
    for (const entry of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) if (entry[1] != null) lines.push(line(entry))
  }
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
const SPECIAL = /[\u0000-\u001f"\\\u007f-\u009f\u2028\u2029]/g
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** A text with the escapes that fastjson writes. */
export function quote(text: string): string {
  return `"${text.replace(SPECIAL, (character) => SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)}"`
}
