/** A broker in a thread of its own: its settings come as `workerData`, its address goes out. */
import { parentPort, workerData } from 'node:worker_threads'
import { Broker } from '#src/broker/broker.js'

const broker = await Broker.start({ settings: workerData })
parentPort?.postMessage(broker.address)
