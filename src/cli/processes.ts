/** Servers of millrace among the processes of this machine. */

const ROLES: Readonly<Record<string, RegExp>> = {
  broker: /\b(?:main\.js|millrace) (?:broker|server)\b|\bmqbroker(?:\.js)?\b/,
  namesrv: /\b(?:main\.js|millrace) namesrv\b|\bmqnamesrv(?:\.js)?\b/,
}

/** `list`: lines of `ps -eo pid=,args=`. Undefined for what is no role. */
export function serversIn(list: string, role: string): number[] | undefined {
  const pattern = ROLES[role]
  if (pattern === undefined) return undefined
  const pids: number[] = []
  for (const line of list.split('\n')) {
    const [, pid, args = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? []
    if (pid !== undefined && /^\S*node\b/.test(args) && pattern.test(args)) pids.push(Number(pid))
  }
  return pids
}
