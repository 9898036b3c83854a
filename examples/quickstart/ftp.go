package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/backend/ftp"
)

var ftpSettings = []setting{
	{name: "STACKSYNC_FTP_ADDR", about: "host:port of the server"},
	{name: "STACKSYNC_FTP_USER", about: "a user who may make folders"},
	{name: "STACKSYNC_FTP_PASSWORD", about: "the user's password"},
	{name: "STACKSYNC_FTP_FOLDER", about: "the folder to make them in (default: /)", optional: true},
	{name: "STACKSYNC_FTP_CA", about: "PEM file of who vouches for the server (default: the system's authorities)", optional: true},
}

func openFTP(ctx context.Context, _ string, log *slog.Logger) (opened, error) {
	c := ftp.Config{
		Addr: os.Getenv("STACKSYNC_FTP_ADDR"), Folder: os.Getenv("STACKSYNC_FTP_FOLDER"),
		User: os.Getenv("STACKSYNC_FTP_USER"), Password: stacksync.Secret(os.Getenv("STACKSYNC_FTP_PASSWORD")),
		Logger: log,
	}
	if file := os.Getenv("STACKSYNC_FTP_CA"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c.TLS = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", file)
		}
	}
	return ftp.Open(ctx, c)
}
