// Reads CAR files with IPLD's own packages: every block has its hash and is strict DAG-CBOR, and all are reached from the roots.
import { CarReader } from '@ipld/car'
import * as cbor from '@ipld/dag-cbor'
import { blake3 } from '@noble/hashes/blake3.js'
import { CID } from 'multiformats/cid'
import fs from 'node:fs'

const DAG_CBOR = 0x71
const equal = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0
const key = (cid) => Buffer.from(cid.multihash.bytes).toString('hex') // as IPFS keeps blocks

function * links (value) {
  const cid = CID.asCID(value)
  if (cid) yield cid
  else if (value && typeof value === 'object' && !(value instanceof Uint8Array)) for (const v of Object.values(value)) yield * links(v)
}

for (const file of process.argv.slice(2)) {
  const car = await CarReader.fromBytes(fs.readFileSync(file))
  const blocks = new Map()
  for await (const { cid, bytes } of car.blocks()) {
    if (!equal(blake3(bytes), cid.multihash.digest)) throw new Error(`${file}: ${cid}: another hash`)
    if (cid.code === DAG_CBOR && !equal(cbor.encode(cbor.decode(bytes)), bytes)) throw new Error(`${file}: ${cid}: not strict`)
    blocks.set(key(cid), bytes)
  }
  const reached = new Set()
  const waiting = await car.getRoots()
  while (waiting.length) {
    const cid = waiting.pop()
    if (reached.has(key(cid))) continue
    reached.add(key(cid))
    if (!blocks.has(key(cid))) throw new Error(`${file}: ${cid}: a link leads out of the file`)
    if (cid.code === DAG_CBOR) waiting.push(...links(cbor.decode(blocks.get(key(cid)))))
  }
  if (reached.size !== blocks.size) throw new Error(`${file}: ${blocks.size - reached.size} blocks are reached from no root`)
  console.log(`${file}: ${blocks.size} blocks`)
}
