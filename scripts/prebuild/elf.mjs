// Reads what a 64-bit little-endian ELF file is for and what it needs, without any tool.

/**
 * @typedef {object} SharedObject
 * @property {string} machine `x64`, `arm64`, or the number of another machine
 * @property {string[]} needed libraries that the loader looks for (`DT_NEEDED`)
 * @property {string[]} versions symbol versions that these libraries must have, for example `GLIBC_2.17`
 * @property {string[]} exported names of the dynamic symbols that it defines, sorted
 */

const MACHINES = new Map([
  [62, 'x64'],
  [183, 'arm64'],
]);
const SHT_DYNAMIC = 6;
const SHT_DYNSYM = 11;
const SHT_GNU_VERNEED = 0x6ffffffe;
const DT_NEEDED = 1n;

/**
 * @typedef {object} Section
 * @property {number} type
 * @property {Buffer} content
 * @property {number} link number of the section with its names
 * @property {number} info
 */

/**
 * @param {Buffer} file
 * @returns {Section[]}
 */
function sectionsOf(file) {
  const start = Number(file.readBigUInt64LE(40));
  const size = file.readUInt16LE(58);
  return Array.from({ length: file.readUInt16LE(60) }, (_, index) => {
    const header = file.subarray(start + index * size);
    const offset = Number(header.readBigUInt64LE(24));
    return {
      type: header.readUInt32LE(4),
      content: file.subarray(offset, offset + Number(header.readBigUInt64LE(32))),
      link: header.readUInt32LE(40),
      info: header.readUInt32LE(44),
    };
  });
}

/**
 * @param {Buffer} names
 * @param {number} offset
 */
function nameAt(names, offset) {
  return names.toString('latin1', offset, names.indexOf(0, offset));
}

/**
 * @param {Buffer} content
 * @param {number} size
 */
function* recordsOf(content, size) {
  for (let offset = 0; offset + size <= content.length; offset += size) yield content.subarray(offset, offset + size);
}

/**
 * Returns the versions in a section `.gnu.version_r`: a list of libraries, each with a list of versions.
 * @param {Section} section
 * @param {Buffer} names
 * @returns {string[]}
 */
function versionsOf({ content, info }, names) {
  const versions = [];
  let library = 0;
  for (let left = info; left > 0; left--) {
    let version = library + content.readUInt32LE(library + 8);
    for (let count = content.readUInt16LE(library + 2); count > 0; count--) {
      versions.push(nameAt(names, content.readUInt32LE(version + 8)));
      version += content.readUInt32LE(version + 12);
    }
    library += content.readUInt32LE(library + 12);
  }
  return versions;
}

/**
 * @param {Buffer} file content of the file
 * @returns {SharedObject}
 * @throws Error when it is no 64-bit little-endian ELF file
 */
export function readSharedObject(file) {
  if (file.length < 64 || file.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') {
    throw new Error('not a 64-bit little-endian ELF file');
  }
  const machine = file.readUInt16LE(18);
  const sections = sectionsOf(file);
  /** @type {SharedObject} */
  const result = {
    machine: MACHINES.get(machine) ?? String(machine),
    needed: [],
    versions: [],
    exported: [],
  };
  for (const section of sections) {
    const names = sections[section.link]?.content ?? Buffer.alloc(0);
    if (section.type === SHT_DYNAMIC) {
      for (const entry of recordsOf(section.content, 16)) {
        if (entry.readBigUInt64LE(0) === DT_NEEDED) result.needed.push(nameAt(names, Number(entry.readBigUInt64LE(8))));
      }
    } else if (section.type === SHT_DYNSYM) {
      for (const symbol of recordsOf(section.content, 24)) {
        const isLocal = symbol.readUInt8(4) >> 4 === 0;
        const isDefined = symbol.readUInt16LE(6) !== 0;
        if (!isLocal && isDefined) result.exported.push(nameAt(names, symbol.readUInt32LE(0)));
      }
    } else if (section.type === SHT_GNU_VERNEED) {
      result.versions.push(...versionsOf(section, names));
    }
  }
  result.exported.sort();
  return result;
}
