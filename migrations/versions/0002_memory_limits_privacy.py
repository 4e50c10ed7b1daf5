"""memory, limits, privacy

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audit_entry',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guild_id', sa.BigInteger(), nullable=True),
    sa.Column('actor_id', sa.BigInteger(), nullable=False),
    sa.Column('action', sa.String(length=100), nullable=False),
    sa.Column('details', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_actor_id'), ['actor_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_guild_id'), ['guild_id'], unique=False)

    op.create_table('deletion',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('performed_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deletion'))
    )
    op.create_table('guild_settings',
    sa.Column('guild_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('allowed_channels', sa.JSON(), nullable=True),
    sa.Column('excluded_channels', sa.JSON(), nullable=True),
    sa.Column('mature', sa.Boolean(), nullable=False),
    sa.Column('moderator_channel_id', sa.BigInteger(), nullable=True),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('guild_id', name=op.f('pk_guild_settings'))
    )
    op.create_table('moderation_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guild_id', sa.BigInteger(), nullable=True),
    sa.Column('channel_id', sa.BigInteger(), nullable=True),
    sa.Column('member_id', sa.BigInteger(), nullable=True),
    sa.Column('direction', sa.Enum('input', 'output', name='direction', native_enum=False, length=16), nullable=False),
    sa.Column('categories', sa.JSON(), nullable=False),
    sa.Column('report_due', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_moderation_event'))
    )
    with op.batch_alter_table('moderation_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_moderation_event_guild_id'), ['guild_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_moderation_event_member_id'), ['member_id'], unique=False)

    op.create_table('quota',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('guild_id', sa.BigInteger(), nullable=False),
    sa.Column('subject', sa.Enum('guild', 'everyone', 'role', 'member', name='quotasubject', native_enum=False, length=16), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('answers_per_day', sa.Integer(), nullable=True),
    sa.Column('concurrency', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quota')),
    sa.UniqueConstraint('guild_id', 'subject', 'subject_id', name=op.f('uq_quota_guild_id_subject_subject_id'))
    )
    op.create_table('takedown',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('channel_id', sa.BigInteger(), nullable=False),
    sa.Column('discord_message_id', sa.BigInteger(), nullable=True),
    sa.Column('new_title', sa.String(length=100), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_takedown'))
    )
    op.create_table('pin',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('author_id', sa.BigInteger(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_pin_conversation_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pin'))
    )
    with op.batch_alter_table('pin', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_pin_author_id'), ['author_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_pin_conversation_id'), ['conversation_id'], unique=False)

    op.create_table('summary',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('message_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversation.id'], name=op.f('fk_summary_conversation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['message_id'], ['message.id'], name=op.f('fk_summary_message_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_summary'))
    )
    with op.batch_alter_table('summary', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_summary_conversation_id'), ['conversation_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_summary_message_id'), ['message_id'], unique=False)

    # Never by copying a table: dropping the old copy would cascade to the rows that refer to it.
    with op.batch_alter_table('conversation', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('titled', sa.Boolean(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('rating', sa.Enum('general', 'teen', 'mature', name='rating', native_enum=False, length=16), nullable=False, server_default='teen'))
        batch_op.add_column(sa.Column('export_details', sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('feedback', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('reason', sa.Text(), nullable=True))

    with op.batch_alter_table('job', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('member_concurrency', sa.Integer(), nullable=True))
        batch_op.create_index('ix_job_guild_id_created_at', ['guild_id', 'created_at'], unique=False)

    with op.batch_alter_table('member', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('training_consent', sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column('consent_asked_at', sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table('message', schema=None, recreate='never') as batch_op:
        batch_op.add_column(sa.Column('expected_language', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('written_language', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('language_retries', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('edited_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('deleted_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('taken_back_at', sa.DateTime(timezone=True), nullable=True))



def downgrade() -> None:
    # Never by copying the table: dropping the old copy would cascade to the rows that refer to it.
    with op.batch_alter_table('message', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('taken_back_at')
        batch_op.drop_column('deleted_at')
        batch_op.drop_column('edited_at')
        batch_op.drop_column('language_retries')
        batch_op.drop_column('written_language')
        batch_op.drop_column('expected_language')

    with op.batch_alter_table('member', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('consent_asked_at')
        batch_op.drop_column('training_consent')

    with op.batch_alter_table('job', schema=None, recreate='never') as batch_op:
        batch_op.drop_index('ix_job_guild_id_created_at')
        batch_op.drop_column('member_concurrency')

    with op.batch_alter_table('feedback', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('reason')

    with op.batch_alter_table('conversation', schema=None, recreate='never') as batch_op:
        batch_op.drop_column('closed_at')
        batch_op.drop_column('export_details')
        batch_op.drop_column('rating')
        batch_op.drop_column('titled')

    with op.batch_alter_table('summary', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_summary_message_id'))
        batch_op.drop_index(batch_op.f('ix_summary_conversation_id'))

    op.drop_table('summary')
    with op.batch_alter_table('pin', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_pin_conversation_id'))
        batch_op.drop_index(batch_op.f('ix_pin_author_id'))

    op.drop_table('pin')
    op.drop_table('takedown')
    op.drop_table('quota')
    with op.batch_alter_table('moderation_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_moderation_event_member_id'))
        batch_op.drop_index(batch_op.f('ix_moderation_event_guild_id'))

    op.drop_table('moderation_event')
    op.drop_table('guild_settings')
    op.drop_table('deletion')
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_entry_guild_id'))
        batch_op.drop_index(batch_op.f('ix_audit_entry_actor_id'))

    op.drop_table('audit_entry')
