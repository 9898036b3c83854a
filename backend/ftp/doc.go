// Package ftp keeps chunks on an FTP server, over explicit TLS (RFC 4217) with a verified certificate.
//
//	storage, err := ftp.Open(ctx, ftp.Config{Addr: "ftp.example.com:21", User: "stacksync", Password: password, Folder: "/workspaces"})
//	if err != nil { … }
//	defer storage.Close()
//
// The server must have MLSD (RFC 3659), and a rename that replaces: ProFTPD and Pure-FTPd do, with which this package is tested (1.3.8 and
// 1.0.50). vsftpd has no MLSD, and Open refuses it. FTP has no signed requests: content goes through the host, or, with ProFTPD, by way of
// accounts.
//
// Pure-FTPd ends lists after 10,000 entries, and says so in a text that few clients read. Here it is an ErrCutList, of ListChunks: a
// container's shard has more than 10,000 files where the container has more than some 2.5 million. Raise its option -L (LimitRecursion)
// before. Its option -b (BrokenClientsCompatibility) shows links as files: leave it out.
//
// Links, which only those can make who have the server's disk or a server that lets clients make them, are no chunks to lists; a request
// for one file follows them as the server does.
//
// # On the server
//
//	<Folder>/<container>/<shard>/<object>   a chunk
//	<Folder>/<container>/.tmp/<name>        an upload that is not whole
//	<Folder>/.deleted/<container>.<name>    a container that is being deleted
//
// The shard is the first byte of the SHA-256 of the chunk's name in hex; with 256 of them a container of a million chunks has folders of
// 4,000 files. The object is the name itself where that is a hash or an id in lower case, and otherwise spelled in base32; a name of more
// than 125 other characters takes folders of its own. A write uploads to .tmp, compares the size, and renames, which ProFTPD does by
// rename(2): readers find the chunk whole or not at all. Whether it then survives a power failure is up to the server, which does not
// sync: a chunk survives a crash of the server's process, but not surely one of its machine. What crashed writers leave in .tmp is
// removed by Sweep.
//
// # Connections
//
// There are at most Config.MaxConns, and as many sessions at the server: its MaxClients, MaxClientsPerUser and MaxClientsPerHost must
// allow them. A pooled connection that turns out to be dead is replaced, and what was asked is asked once more, if nothing was
// transferred yet; so a restart of the server is not noticed. Before a server that refuses connections, or has too many, a call tries
// for about a second and a half. ctx reaches all connections: when it ends, those of the call are closed. Half of the connections at most
// are for content that is being read, and content that is not read on for Config.Silence is cut: readers that stall stop nobody else. A
// write whose content brings nothing for as long is cut, too.
//
// ProFTPD wants data connections to resume the TLS session of the control connection; those of this package do, by a cache of each
// connection's own.
//
// # StoredAt
//
// A chunk's StoredAt is by the server's clock, whoever has brought it; what is written or copied again gets the server's time, as a file
// tells it that was written just now. Where the server can't tell or set times (MDTM, MFMT), writing again does not change StoredAt.
//
// # Accounts
//
// With Config.Accounts, users have accounts of their own. A Location has the Protocol "ftp" and the Settings "host", "port", "tls"
// ("explicit", or "none" for Config.Plain) and "folder"; objects are paths below the folder. A client downloads by RETR. It uploads to
// .tmp/ and a random name of letters and digits, asks for its SIZE, makes the shard's folder, and the object's, by MKD where they are
// missing, and renames by RNFR and RNTO. Where that is refused, and SIZE says that the object is there, it is stored already. Accounts can
// neither replace nor delete what is stored, nor see what others upload. One that may write can make a folder where a chunk belongs, or
// a file where a shard does: no chunk is there then. A client's account can't remove it; WriteChunk and CopyChunks do, with all that is in
// it, when they bring the chunk.
//
// That holds only if the server is configured for it, since all accounts are one user to its operating system. ProFTPD needs, with
// mod_tls, mod_auth_file and mod_ifsession, where "stacksync" is the service's account and "/srv/ftp" what Folder "/" is:
//
//	TLSEngine on
//	TLSRequired on
//	AuthPAM off
//	AuthOrder mod_auth_file.c
//	AuthUserFile /etc/proftpd/stacksync.passwd
//	RequireValidShell off
//	DefaultRoot /srv/ftp
//	Umask 077
//	AllowOverwrite on
//	AllowOverride on        # .ftpaccess counts
//	FSCachePolicy off       # and is looked at each time
//	UseGlobbing off         # or LIST /* shows the names of all containers
//	TimeoutSession 3600 user !stacksync
//	<Limit ALL>             # what no .ftpaccess opens is closed
//	  AllowUser stacksync
//	  DenyAll
//	</Limit>
//	<Limit FEAT NOOP>
//	  AllowAll
//	</Limit>
//	<IfUser !stacksync>
//	  AllowOverwrite off    # chunks never change
//	  DenyFilter "\\.ftpaccess"
//	  PathAllowFilter "^/[a-z0-9-]+/(\\.tmp/[A-Za-z0-9]+|[0-9a-f][0-9a-f](/[a-z0-9_][a-z0-9_-]*)*)$"
//	</IfUser>
//
// PathAllowFilter begins with Folder, where that is not "/". The tests of this package try each of these rules as an intruder. After a
// change of access, SIZE may answer an open session once more by the former limits, which tells the length of a chunk whose name it
// knows; RETR, LIST, MLSD, STOR, RNFR, RNTO and MKD answer by the new ones at once. A transfer that has begun goes on.
//
// For ProFTPD.EndSessions, "ftpdctl kick user LOGIN" needs mod_ctrls, mod_ctrls_admin, and these lines, where "root" is who calls it:
//
//	ControlsEngine on
//	ControlsSocketACL allow user root
//	AdminControlsEngine on
//	AdminControlsACLs kick allow user root
//
// That of ProFTPD 1.3.8 exits with 0 also where it was denied: it has worked if it prints "kicked user" or "not connected".
//
// mod_copy spares CopyChunks the way of the content through this process. The limits above deny it to accounts.
package ftp
