. "$FLOWS/lib.sh"
# A key is made below one parent and moved below another.
tpm2_createprimary --hierarchy=o --key-algorithm=ecc --key-context=old.ctx >/dev/null
flush
tpm2_createprimary --hierarchy=n --key-algorithm=rsa --key-context=new.ctx >/dev/null
flush
tpm2_readpublic --object-context=new.ctx --output=new.pub >/dev/null
flush
tpm2_startauthsession --session=trial.ctx
tpm2_policycommandcode --session=trial.ctx --policy=duplicate.policy TPM2_CC_Duplicate
tpm2_flushcontext trial.ctx
tpm2_create --parent-context=old.ctx --key-algorithm=ecc --policy=duplicate.policy \
    --attributes='sensitivedataorigin|userwithauth|sign' \
    --public=key.pub --private=key.priv >/dev/null
flush
tpm2_load --parent-context=old.ctx --public=key.pub --private=key.priv --key-context=key.ctx >/dev/null
flush
tpm2_loadexternal --hierarchy=n --public=new.pub --key-context=parent.ctx >/dev/null
flush
tpm2_startauthsession --policy-session --session=session.ctx
tpm2_policycommandcode --session=session.ctx TPM2_CC_Duplicate >/dev/null
tpm2_duplicate --parent-context=parent.ctx --key-context=key.ctx --wrapper-algorithm=null --auth=session:session.ctx \
    --private=moved.priv --encrypted-seed=moved.seed
flush
tpm2_flushcontext session.ctx
tpm2_import --parent-context=new.ctx --public=key.pub --input=moved.priv --seed=moved.seed --private=imported.priv \
    >/dev/null
flush
tpm2_load --parent-context=new.ctx --public=key.pub --private=imported.priv --key-context=imported.ctx >/dev/null
flush
echo "signed by the moved key" >message
tpm2_sign --key-context=imported.ctx --hash-algorithm=sha256 --signature=message.sig message
flush
tpm2_verifysignature --key-context=key.ctx --hash-algorithm=sha256 --message=message --signature=message.sig
flush
echo "verified by the original"
