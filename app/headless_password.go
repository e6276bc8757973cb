package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"kaika/core/server"
)

// hashPassword prints the line of a user for the file of --auth_file. The password is the first line of the standard
// input; a terminal does not show it, and asks for it twice.
func (e *environment) hashPassword(name string) error {
	password, err := e.readPassword()
	if err != nil {
		return fmt.Errorf("reading the password: %w", err)
	}
	line, err := server.PasswordLine(name, password)
	if err != nil {
		return usageError{err}
	}
	return e.printf("%s\n", line)
}

func (e *environment) readPassword() (string, error) {
	f, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(e.stdin, 1<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	ask := func(what string) (string, error) {
		fmt.Fprint(e.terminal.out, what)
		typed, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(e.terminal.out)
		return string(typed), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usageError{errors.New("the two are not the same")}
	}
	return first, nil
}
