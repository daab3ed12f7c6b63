/** What a peer is written in: its number in a binary header, its name in a JSON one. */

export const LANGUAGES = [
  'JAVA',
  'CPP',
  'DOTNET',
  'PYTHON',
  'DELPHI',
  'ERLANG',
  'RUBY',
  'OTHER',
  'HTTP',
  'GO',
  'PHP',
  'OMS',
  'RUST',
  'NODE_JS',
] as const

export type Language = (typeof LANGUAGES)[number]

const numbers = new Map<string, number>(LANGUAGES.map((name, number) => [name, number]))

export function languageOf(number: number): Language | undefined {
  return LANGUAGES[number]
}

export function isLanguage(name: string): name is Language {
  return numbers.has(name)
}

export function languageNumber(language: Language): number {
  return numbers.get(language) as number
}
