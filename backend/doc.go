// Package backend has what concerns two storages at once: CopyBetween, which copies the chunks of
// one storage to another. The storages are the packages below: memory, dir, s3, swift and ftp.
//
// It must not know any of them, nor the service: it works on the interfaces of the root package.
package backend
