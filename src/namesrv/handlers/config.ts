/** The settings, read and changed by request. What is changed is kept in a file; what a port or a timer has taken counts from the next start. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceFile } from '../../durable-file.js'
import type { Command } from '../../protocol/command.js'
import { ResponseCode } from '../../protocol/response-code.js'
import type { Answer } from '../../remoting/remoting-server.js'
import { parseProperties } from '../../setting.js'
import type { NamesrvContext } from '../context.js'
import { namesrvSettings } from '../settings.js'

const ALWAYS_REFUSED = 'rocketmqHome'

export function getConfig({ settings }: NamesrvContext): Answer {
  return { body: Buffer.from(namesrvSettings.text(settings)) }
}

export async function updateConfig({ settings }: NamesrvContext, request: Command): Promise<Answer> {
  if (request.body.length === 0) return {}
  const properties = parseProperties(request.body.toString())
  const refused = [...settings.configBlackList.split(';'), ALWAYS_REFUSED]
  if (refused.some((name) => Object.hasOwn(properties, name.trim())))
    return { code: ResponseCode.NO_PERMISSION, remark: 'Can not update config in black list.' }
  const changed = namesrvSettings.from(properties, () => {}) // unknown names are passed over, as Java does
  await mkdir(dirname(settings.configStorePath), { recursive: true })
  await replaceFile(settings.configStorePath, namesrvSettings.text({ ...settings, ...changed }))
  Object.assign(settings, changed)
  return {}
}
