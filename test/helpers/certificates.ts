import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

function openssl(args: readonly string[]): Promise<unknown> {
  return run('openssl', args);
}

/** Where a key and its certificate are, as PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** What a certificate is issued for. */
export interface Subject {
  readonly name: string;
  /** @defaultValue none: it is a client's */
  readonly hosts?: readonly string[];
  /** Whether its time is over. @defaultValue false */
  readonly isExpired?: boolean;
}

/** A certificate authority in a folder, by the real openssl. */
export class CertificateAuthority {
  /** The certificate to trust. */
  readonly cert: string;
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.cert = join(folder, `${name}.crt`);
  }

  static async create(folder: string, name = 'ca'): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(folder, name);
    const key = join(folder, `${name}.key`);
    await openssl([
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=bgd test ${name}`, '-keyout', key, '-out', authority.cert],
    ]);
    return authority;
  }

  /** Makes a key and a certificate for it. */
  async issue({ name, hosts = [], isExpired = false }: Subject): Promise<Certificate> {
    const path = (ending: string): string => join(this.#folder, `${this.#name}-${name}.${ending}`);
    const [key, request, cert] = [path('key'), path('csr'), path('crt')];
    const names = hosts.map((host) => (/^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`)).join(',');
    await openssl([
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', key, '-out', request],
    ]);
    await writeFile(path('ext'), names === '' ? 'extendedKeyUsage=clientAuth\n' : `subjectAltName=${names}\n`);
    // `x509 -req` knows no dates before today: a small database lets `ca` set them.
    await writeFile(path('db'), '');
    const config = `[ca]\ndefault_ca=it\n[it]\ndatabase=${path('db')}\nnew_certs_dir=${this.#folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`;
    await writeFile(path('conf'), config);
    await openssl([
      ...['ca', '-batch', '-config', path('conf'), '-notext', '-in', request, '-out', cert, '-extfile', path('ext')],
      ...['-cert', this.cert, '-keyfile', join(this.#folder, `${this.#name}.key`)],
      ...(isExpired ? ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'] : ['-days', '1']),
    ]);
    return { key, cert };
  }
}
