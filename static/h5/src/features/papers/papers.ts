/** Papers on the agenda, and the files behind them. */

import type { Answer } from '@daibiao/shared';

import { api } from '../../app/house.js';

export type Paper = Answer<'GET', '/api/v1/papers/{paper_id}'>;
export type File = Answer<'GET', '/api/v1/files/{file_id}'>;

export interface OnTable {
  readonly paper: Paper;
  readonly file: File;
}

/** Answer a paper in its current version, with the record of its file. */
export async function fetch(id: string): Promise<OnTable> {
  const paper = await api.get('/api/v1/papers/{paper_id}', { path: { paper_id: id } });
  return { paper, file: await api.get('/api/v1/files/{file_id}', { path: { file_id: paper.file_id } }) };
}

export const content = (file: File): string => `/api/v1/files/${file.id}/content`;

/** What phones show by themselves; anything else is kept, and opened by an app. */
const SHOWN = /^(?:application\/pdf|image\/|audio\/|video\/)/;

export const readable = (file: File): boolean => SHOWN.test(file.mime);

const KINDS: Readonly<Record<string, string>> = {
  pdf: 'PDF 文件', docx: 'Word 文件', xlsx: 'Excel 表格', pptx: 'PowerPoint 演示文稿', ofd: 'OFD 文件',
  txt: '文本', jpg: '图片', jpeg: '图片', png: '图片', mp3: '录音', mp4: '视频',
};

/** Say what a file is and how big, before anybody spends their data on it. */
export function about({ name, size }: Pick<File, 'name' | 'size'>): string {
  const kind = KINDS[name.split('.').pop()?.toLowerCase() ?? ''] ?? '文件';
  return `${kind}，${bytes(size)}`;
}

function bytes(size: number): string {
  if (size < 1024) return `${size} 字节`;
  return size < 1024 * 1024 ? `${Math.round(size / 1024)} KB` : `${(size / 1024 / 1024).toFixed(1)} MB`;
}
