import type { HttpReply } from './http-exchange.js';

/** As much of WebDAV as clients want before they take a place for a store: folders that are always there, and sizes. */
export const webdavMethods = 'OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, MKCOL';

/** There is nothing to be made: any path may have values below it. */
export function folderMade(): HttpReply {
  return { status: 201 };
}

/** Says what stands at `path`: a folder, or something of `sizeBytes`. `path` holds no character that XML minds but `&` and `'`. */
export function propertiesOf(path: string, sizeBytes?: number): HttpReply {
  const kind =
    sizeBytes === undefined
      ? '<D:resourcetype><D:collection/></D:resourcetype>'
      : `<D:resourcetype/><D:getcontentlength>${sizeBytes}</D:getcontentlength>`;
  const properties = `${kind}<D:getlastmodified>Thu, 01 Jan 1970 00:00:00 GMT</D:getlastmodified>`;
  const body =
    `<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>${escapeXml(path)}</D:href>` +
    `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>`;
  return { status: 207, headers: { 'content-type': 'application/xml; charset=utf-8' }, body };
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll("'", '&apos;');
}
