/** The topics of a broker: RocketMQ's TopicConfigManager, kept in `config/topics.json`. */
import { PERM_INHERIT, PERM_READ, PERM_WRITE, type TopicConfig, topicConfigOf, UNIT, UNIT_SUB } from '../protocol/bodies/topic-config.js'
import type { ConfigFiles } from '../store/config-files.js'
import type { BrokerSettings } from './settings.js'
import { DLQ_PREFIX, REPLY_TOPIC_SUFFIX, RETRY_PREFIX, systemTopicNames } from './topic-names.js'
import { VersionedTable } from './versioned-table.js'

const READ_WRITE = PERM_READ | PERM_WRITE
const TEMPLATE = 'TBW102'
const BENCHMARK_QUEUES = 1024
const CLUSTER_QUEUES = 16

/** What a send knows of a topic that the broker does not have. */
export interface Wish {
  readonly topic: string
  /** The topic that it shall be like. */
  readonly defaultTopic: string
  readonly queues: number
  readonly unit: boolean
}

export class Topics {
  readonly #table: VersionedTable<TopicConfig>
  readonly #settings: BrokerSettings
  readonly #system: ReadonlySet<string>
  readonly #making = new Map<string, Promise<TopicConfig>>()
  /** Told of each topic that is there, changed or gone. */
  onChange: (topic: string) => void = () => {}

  private constructor(table: VersionedTable<TopicConfig>, settings: BrokerSettings) {
    this.#table = table
    this.#settings = settings
    this.#system = systemTopicNames(settings)
  }

  static async open(config: ConfigFiles, settings: BrokerSettings, delayLevels: number, now: () => number): Promise<Topics> {
    const table = await VersionedTable.open({
      config,
      file: 'topics.json',
      field: 'topicConfigTable',
      read: topicConfigOf,
      builtIn: builtIn(settings, delayLevels),
      now,
    })
    return new Topics(table, settings)
  }

  /** None that is only being made: it is there when it is on disk. */
  get(topic: string): TopicConfig | undefined {
    return this.#making.size > 0 && this.#making.has(topic) ? undefined : this.#table.get(topic)
  }

  get all(): ReadonlyMap<string, TopicConfig> {
    return this.#table.entries
  }

  get version() {
    return this.#table.version
  }

  /** As a body. */
  write(): Buffer {
    return this.#table.write()
  }

  /** Names that belong to the system, of topics that are not there included. */
  get system(): ReadonlySet<string> {
    return this.#system
  }

  isSystem(topic: string): boolean {
    return this.#system.has(topic) || topic.startsWith('rmq_sys_')
  }

  async set(config: TopicConfig): Promise<void> {
    await this.#table.set(config.topicName, config)
    this.onChange(config.topicName)
  }

  /** Those that are ordered over all brokers, as the name servers have them. */
  async order(ordered: ReadonlySet<string>): Promise<void> {
    const changed = [...this.all.values()].filter(({ topicName, order }) => order !== ordered.has(topicName))
    await Promise.all(changed.map((topic) => this.#table.set(topic.topicName, { ...topic, order: !topic.order })))
  }

  async delete(topic: string): Promise<void> {
    const deleted = this.#table.delete(topic)
    this.onChange(topic)
    await deleted
  }

  save(): Promise<void> {
    return this.#table.save()
  }

  /** For a send: as the default topic is, if that one may be inherited from. Undefined where it may not. */
  async create({ topic, defaultTopic, queues, unit }: Wish): Promise<TopicConfig | undefined> {
    const template = this.get(defaultTopic)
    const inherits =
      template !== undefined && (template.perm & PERM_INHERIT) !== 0 && (defaultTopic !== TEMPLATE || this.#settings.autoCreateTopicEnable)
    if (!inherits) return undefined
    const count = Math.max(0, Math.min(queues, template.writeQueueNums))
    return this.#create({
      ...plain(topic, count, template.perm & ~PERM_INHERIT),
      topicFilterType: template.topicFilterType,
      topicSysFlag: unit ? UNIT : 0,
    })
  }

  /** A group's retry topic; made where it is missing. */
  retry(group: string, queues: number, unit: boolean): Promise<TopicConfig> {
    return this.#ensure({ ...plain(RETRY_PREFIX + group, queues), topicSysFlag: unit ? UNIT_SUB : 0 })
  }

  /** A group's dead letters. */
  deadLetters(group: string): Promise<TopicConfig> {
    return this.#ensure(plain(DLQ_PREFIX + group, 1))
  }

  async #ensure(config: TopicConfig): Promise<TopicConfig> {
    return this.get(config.topicName) ?? (await this.#create(config))
  }

  /** Whoever wants the same topic meanwhile waits for the same. */
  #create(config: TopicConfig): Promise<TopicConfig> {
    const { topicName } = config
    const known = this.#making.get(topicName)
    if (known !== undefined) return known
    const making = this.#table
      .set(topicName, config)
      .then(() => config)
      .finally(() => {
        this.#making.delete(topicName)
        this.onChange(topicName)
      })
    this.#making.set(topicName, making)
    return making
  }
}

function plain(topicName: string, queues: number, perm: number = READ_WRITE): TopicConfig {
  return { topicName, readQueueNums: queues, writeQueueNums: queues, perm, topicFilterType: 'SINGLE_TAG', topicSysFlag: 0, order: false }
}

function builtIn(settings: BrokerSettings, delayLevels: number): Map<string, TopicConfig> {
  const { brokerClusterName, brokerName, clusterTopicEnable, brokerTopicEnable } = settings
  const topics = [
    plain('SELF_TEST_TOPIC', 1),
    ...(settings.autoCreateTopicEnable ? [plain(TEMPLATE, settings.defaultTopicQueueNums, READ_WRITE | PERM_INHERIT)] : []),
    plain('BenchmarkTest', BENCHMARK_QUEUES),
    plain(brokerClusterName, CLUSTER_QUEUES, READ_WRITE | (clusterTopicEnable ? PERM_INHERIT : 0)),
    plain(brokerName, 1, READ_WRITE | (brokerTopicEnable ? PERM_INHERIT : 0)),
    plain('OFFSET_MOVED_EVENT', 1),
    plain('SCHEDULE_TOPIC_XXXX', delayLevels),
    ...(settings.traceTopicEnable ? [plain(settings.msgTraceTopicName, 1)] : []),
    plain(brokerClusterName + REPLY_TOPIC_SUFFIX, 1),
  ]
  return new Map(topics.map((topic) => [topic.topicName, topic]))
}
