// A web server: `node server.mjs NAME PORT`. It replies with its name. /bytes/N returns N bytes. /slow/MS returns the
// headers at once, then a line every 200 ms for MS milliseconds.

import { createServer } from 'node:http';

const [name = 'nobody', port = '80'] = process.argv.slice(2);

const server = createServer((request, response) => {
  const [, what, number = ''] = (request.url ?? '').split('/');
  response.setHeader('x-server', name);
  if (what === 'bytes') {
    response.end(Buffer.alloc(Number(number), name));
  } else if (what === 'slow') {
    const end = Date.now() + Number(number);
    response.write(`${name} begins\n`);
    const timer = setInterval(() => {
      if (Date.now() < end) return response.write(`${name} goes on\n`);
      clearInterval(timer);
      return response.end(`${name} is done\n`);
    }, 200);
    response.on('close', () => clearInterval(timer));
  } else {
    response.end(`${name}\n`);
  }
});

server.listen(Number(port), () => console.log('READY'));
process.stdin.resume().on('end', () => process.exit());
