package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"time"

	"github.com/stacksync/stacksync-go"
	"github.com/stacksync/stacksync-go/examples/internal/story"
)

// killService kills the service in the middle of its work, and starts it again from its files. So that it is a real kill, another
// process has the service then, on the same files, and a third device of the user, "camera", that commits one picture after the
// other to it. It says of each when the service has acknowledged it.
func (s *show) killService(ctx context.Context) error {
	const step, enough = "kill the service", 100
	res, err := s.server.RegisterDevice(ctx, stacksync.RegisterDeviceRequest{Actor: stacksync.Actor{User: s.user.ID}, Name: "camera"})
	if err != nil {
		return err
	}
	if err := s.server.Close(); err != nil {
		return err
	}
	actor := stacksync.Actor{User: s.user.ID, Device: res.Device.ID}
	acknowledged, err := killWriter(ctx, enough, s.kind.name, s.serverDir(), string(actor.User), actor.Device.String(), s.user.DefaultWorkspace.String())
	if err != nil {
		return err
	}

	start := time.Now()
	if err := s.start(ctx); err != nil {
		return err
	}
	restarted := story.Took(start)
	for _, name := range acknowledged {
		if err := s.checkPicture(ctx, actor, name); err != nil {
			return fmt.Errorf("%s was acknowledged, but: %w", name, err)
		}
	}
	for _, c := range []*client{s.laptop, s.desktop} {
		if _, err := s.sync(ctx, c, step, 0); err != nil {
			return err
		}
		for _, name := range acknowledged {
			if _, err := os.Lstat(c.path(name)); err != nil {
				return err
			}
		}
	}
	what := "all %d with their content"
	if s.kind.forgetful {
		what = "all %d (without content, which is in memory and would be gone with the process)"
	}
	s.out.line(step, "a process with the service, on the same files, was killed after %d acknowledged commits; opened again in %s, the service has %s, and so have both devices",
		len(acknowledged), restarted, fmt.Sprintf(what, len(acknowledged)))
	return nil
}

// killWriter starts the process, kills it (SIGKILL, where there are signals) once it has said enough, and returns all it has said.
func killWriter(ctx context.Context, enough int, args ...string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, self, append([]string{writerCommand}, args...)...)
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var said []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if said = append(said, lines.Text()); len(said) == enough {
			if err := cmd.Process.Kill(); err != nil {
				return nil, err
			}
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); len(said) < enough {
		return nil, fmt.Errorf("the process with the service ended after %d commits: %w: %s", len(said), err, complaints.String())
	}
	return said, nil
}

// checkPicture looks whether the service has a picture of the writer's, and its content.
func (s *show) checkPicture(ctx context.Context, actor stacksync.Actor, name string) error {
	res, err := s.server.GetItemByPath(ctx, stacksync.GetItemByPathRequest{Actor: actor, Workspace: s.user.DefaultWorkspace, Path: name})
	if err != nil {
		return err
	}
	want := picture(s.kind, path.Base(name))
	if res.Item.Checksum != hashOf(want) {
		return errors.New("its checksum is not what was committed")
	}
	if want == "" {
		return nil
	}
	chunk, err := s.server.DownloadChunk(ctx, stacksync.DownloadChunkRequest{Actor: actor, Workspace: s.user.DefaultWorkspace, Name: res.Item.Checksum})
	if err != nil {
		return err
	}
	content, err := io.ReadAll(chunk.Content)
	if err := errors.Join(err, chunk.Content.Close()); err != nil {
		return err
	}
	if string(content) != want {
		return errors.New("its content is not what was committed")
	}
	return nil
}
